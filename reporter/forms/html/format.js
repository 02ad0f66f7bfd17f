// Numbers as the text report has them.
const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

export function bytes(value) {
  let unit = 0, rest = Math.abs(value);
  for (; rest >= 1023.5 && unit < 6; unit++) rest /= 1024;
  return (value < 0 ? "-" : "") + (unit === 0 ? Math.round(rest) : rest < 9.95 ? rest.toFixed(1) : Math.round(rest)) + " " + units[unit];
}

export const count = (value) => Math.round(value).toLocaleString("en-US");

export function age(seconds) {
  if (seconds < 60) return Math.floor(seconds) + "s";
  if (seconds < 3600) return Math.floor(seconds / 60) + "m";
  if (seconds < 86400) return Math.floor(seconds / 3600) + "h " + String(Math.floor((seconds / 60) % 60)).padStart(2, "0") + "m";
  return Math.floor(seconds / 86400) + "d " + String(Math.floor((seconds / 3600) % 24)).padStart(2, "0") + "h";
}

export const percent = (part, whole) => (whole ? ((100 * part) / whole).toFixed(1) + " %" : "");
