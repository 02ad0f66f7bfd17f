// Memory by the times of the dumps, where there are several.
import uPlot from "uplot";
import { bytes } from "./format.js";

const colours = ["#d9480f", "#1971c2", "#2f9e44", "#9c36b5", "#e8590c", "#0c8599", "#5c940d", "#c2255c"];

export function drawTimeline(element, timeline) {
  const axis = getComputedStyle(document.body).color;
  const grid = { stroke: "rgb(128 128 128 / 25%)", width: 1 };
  const options = {
    width: element.clientWidth || 800,
    height: 180,
    series: [{}, ...timeline.series.map((name, i) => ({ label: name, stroke: colours[i % colours.length], width: 2, spanGaps: true,
      points: { show: true, size: 5 }, value: (_, v) => (v == null ? "" : bytes(v)) }))],
    axes: [{ stroke: axis, grid }, { stroke: axis, grid, size: 80, values: (_, ticks) => ticks.map(bytes) }],
    scales: { y: { range: (_, low, high) => [0, high * 1.05 || 1] } },
  };
  element.replaceChildren();
  return new uPlot(options, [timeline.times, ...timeline.values], element);
}
