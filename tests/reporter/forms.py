"""Reads each form by a parser of its own, and holds them against each other. forms.py FOLDER...: a folder has the forms of
one dump, each in a file of its name. Prints what is wrong, and ends with status 1 then."""
import base64
import collections
import gzip
import json
import os
import re
import sys
import urllib.parse
import zlib
import xml.etree.ElementTree

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
try:
    import valid

    REPORT = valid.by("report")
except ImportError:  # python3-jsonschema is not installed
    REPORT = None

VALUES = ["live_bytes", "live_blocks", "leaked_bytes", "leaked_blocks", "allocated_bytes", "allocated_blocks", "peak_bytes",
          "peak_blocks"]


def check(true, *words):
    if not true:
        raise AssertionError(" ".join(str(word) for word in words))


def text_of(path):
    """All that weir writes is UTF-8 without control characters."""
    text = open(path, "rb").read().decode("utf-8")
    bad = re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]", text)
    check(not bad, os.path.basename(path), "has a control character", bad and repr(text[bad.start() - 20 : bad.end()]))
    return text


# --- the forms for profilers: {(names, outermost first): sum} ---


def folded(path):
    sums = collections.Counter()
    for line in text_of(path).splitlines():
        stack, count = line.rsplit(" ", 1)
        check(stack and int(count) > 0, "folded:", line)
        sums[tuple(stack.split(";"))] += int(count)
    return sums


def fields(data):
    """Of a protobuf message: (number, value) each."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            check(key & 7 == 2, "pprof: wire type", key & 7)
            length = varint()
            check(at + length <= len(data), "pprof: a field beyond its message")
            yield key >> 3, data[at : at + length]
            at += length


def packed(data):
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0


def message(data):
    found = collections.defaultdict(list)
    for number, value in fields(data):
        found[number].append(value)
    return found


def pprof(path):
    profile = message(gzip.open(path).read())
    strings = [s.decode("utf-8") for s in profile[6]]
    check(strings[0] == "", "pprof: the first string is", strings[0])
    one = lambda m, number: m[number][0] if m[number] else 0
    types = [strings[one(message(t), 1)] for t in profile[1]]
    check(types == VALUES, "pprof: types", types)
    functions = {one(f, 1): strings[one(f, 2)] for f in map(message, profile[5])}
    mappings = {one(m, 1) for m in map(message, profile[3])}
    check(0 not in functions and 0 not in mappings, "pprof: number 0")
    locations = {}
    for location in map(message, profile[4]):
        check(one(location, 2) in mappings | {0}, "pprof: no such mapping")
        locations[one(location, 1)] = [functions[one(message(line), 1)] for line in location[4]]
    sums = [collections.Counter() for _ in VALUES]
    for sample in map(message, profile[2]):
        stack = [name for number in packed(sample[1][0]) for name in locations[number]][::-1]
        for label in map(message, sample[3]):
            check(strings[one(label, 1)] in ("verdict", "thread") and strings[one(label, 2)], "pprof: a label")
        for i, value in enumerate(packed(sample[2][0])):
            sums[i][tuple(stack)] += value
    return {name: +counter for name, counter in zip(VALUES, sums)}, [strings[c] for n in profile[13] for c in [n]]


def speedscope(path):
    d = json.loads(text_of(path))
    names = [frame["name"] for frame in d["shared"]["frames"]]
    all_sums = {}
    for profile in d["profiles"]:
        check(profile["type"] == "sampled" and len(profile["samples"]) == len(profile["weights"]), "speedscope: samples")
        check(sum(profile["weights"]) == profile["endValue"], "speedscope: the end is", profile["endValue"])
        sums = collections.Counter()
        for sample, weight in zip(profile["samples"], profile["weights"]):
            sums[tuple(names[i] for i in sample)] += weight
        all_sums[profile["name"].replace(" (estimates)", "")] = +sums
    return all_sums


def callgrind(path):
    """Sums of what is functions' own, by event, and the summary."""
    events, summary, own, names, files = [], [], collections.Counter(), {}, {}
    function, called = None, False

    def name_of(table, text):
        number, _, name = text.partition(" ")
        check(re.fullmatch(r"\(\d+\)", number), "callgrind: name", text)
        if name:
            check(number not in table or table[number] == name, "callgrind: two names for", number)
            table[number] = name
        return table[number]

    for line in text_of(path).splitlines():
        key, equals, value = line.partition("=")
        if line.startswith("events: "):
            events = line.split()[1:]
        elif line.startswith("summary: "):
            summary = [int(n) for n in line.split()[1:]]
        elif equals and key in ("fl", "cfl"):
            name_of(files, value)
        elif equals and key in ("fn", "cfn"):
            function = name_of(names, value)
        elif equals and key == "calls":
            called = True
        elif re.fullmatch(r"\d+( \d+)+", line):
            if not called:
                for event, cost in zip(events, line.split()[1:]):
                    own[event] += int(cost)
            called = False
        else:
            check(not line or re.match(r"# callgrind format$|(version|creator|pid|cmd|positions|desc): ", line), "callgrind:", line)
    check(function is not None or not any(summary), "callgrind: no function")
    check([own[event] for event in events] == summary, "callgrind: own", dict(own), "of", summary)
    return dict(zip(events, summary))


def html(path):
    """What the page's script reads: {(names, outermost first): sum} by value; and the data itself."""
    page = text_of(path)
    packed = re.search(r'<script type="text/plain" id="data">([A-Za-z0-9+/=]*)</script>', page)[1]
    d = json.loads(zlib.decompress(base64.b64decode(packed, validate=True), -15).decode("utf-8"))
    check(page.count("</script") == 2 and page.count("</style") == 1 and page.count("-->") == 1, "html: elements")
    check(not re.search(r"(src|href)=|@import|url\(", page.replace("data:", "")), "html: it asks for something")
    stacks, path_to = [], []
    for up, line in zip(d["up"], d["line"]):
        del path_to[len(path_to) - up :]
        path_to.append(d["names"][d["functions"]["name"][d["lines"]["function"][line]]])
        stacks.append(tuple(path_to))
    rows, node, sums = d["rows"], 0, [collections.Counter() for _ in d["values"]]
    for i, step in enumerate(rows["node"]):
        node += step
        for sum, column in zip(sums, rows["values"]):
            sum[stacks[node]] += column[i]
    check(node == len(stacks) - 1 or not stacks, "html: nodes", node, len(stacks))
    count = len(rows["node"])
    check(all(len(rows[name]) == count for name in ("verdict", "name", "thread", "age", "low", "high")), "html: columns")
    return {value["title"].replace(" (estimates)", ""): +sum for value, sum in zip(d["values"], sums)}, d


# --- the forms that list issues ---


def sarif(path):
    d = json.loads(text_of(path))
    check(d["version"] == "2.1.0" and d["$schema"] and len(d["runs"]) == 1, "sarif: head")
    run = d["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        check(rules[result["ruleIndex"]] == result["ruleId"] and result["message"]["text"], "sarif: rule")
        check(result["level"] in ("error", "warning"), "sarif: level")
        place = result["locations"][0]["physicalLocation"]
        check(place["region"]["startLine"] >= 1, "sarif: line")
        check(re.fullmatch(r"(file:///)?([A-Za-z0-9._~/-]|%[0-9A-F]{2})+", place["artifactLocation"]["uri"]), "sarif: uri", place)
        check(re.fullmatch("[0-9a-f]{32}", result["partialFingerprints"]["weirSite/v1"]), "sarif: fingerprint")
        check(all(frame["location"]["logicalLocations"][0]["fullyQualifiedName"] for s in result["stacks"] for frame in s["frames"]),
              "sarif: a frame without a name")
    check(urllib.parse.urlparse(run["originalUriBaseIds"]["SRCROOT"]["uri"]).path.endswith("/"), "sarif: root")
    return [r["partialFingerprints"]["weirSite/v1"] for r in run["results"] if "suppressions" not in r]


def xml_of(path):
    text_of(path)
    return xml.etree.ElementTree.parse(path).getroot()


def junit(path):
    root = xml_of(path)
    suite = root[0]
    check(root.tag == "testsuites" and suite.tag == "testsuite" and len(root) == 1, "junit: head")
    for count, tag in (("tests", None), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        found = sum(1 for case in suite for e in ([case] if tag is None else case) if tag in (None, e.tag))
        check(int(suite.get(count)) == found, "junit:", count, suite.get(count), "not", found)
    for case in suite:
        check(case.tag == "testcase" and case.get("name") and case.get("classname") and len(case) <= 1, "junit: case")
        check(all(e.get("message") and e.text for e in case), "junit: no message")
    return [case.get("name") for case in suite][1:]


def codequality(path):
    issues = json.loads(text_of(path))
    for issue in issues:
        check(issue["severity"] in ("info", "minor", "major", "critical", "blocker"), "codequality: severity")
        check(issue["description"] and issue["check_name"] and issue["location"]["lines"]["begin"] >= 1, "codequality: issue")
        check(issue["location"]["path"], "codequality: path")
    prints = [issue["fingerprint"] for issue in issues]
    check(len(set(prints)) == len(prints), "codequality: fingerprints repeat")
    return prints


def github(path):
    lines = text_of(path).splitlines()
    for line in lines:
        check(re.fullmatch(r"::(error|warning|notice) [^:\n]*::[^\n]+", line), "github:", line)
        for property in re.match(r"::\w+ (.*?)::", line)[1].split(","):
            check(re.fullmatch(r"(file|line|title)=.+", property), "github: property", property)
        check(not re.search("%(?!25|0D|0A|3A|2C)", line), "github: a bare percent sign:", line)
    return lines


def valgrind(path):
    root = xml_of(path)
    check(root.tag == "valgrindoutput" and root.findtext("protocolversion") == "4", "valgrind-xml: head")
    sums = collections.Counter()
    for error in root.findall("error"):
        check(error.findtext("kind").startswith("Leak_") and error.find("xwhat/text") is not None, "valgrind-xml: kind")
        check(error.findall("stack/frame"), "valgrind-xml: no frame")
        check(all(int(frame.findtext("ip"), 16) >= 0 for frame in error.findall("stack/frame")), "valgrind-xml: ip")
        sums[error.findtext("kind")] += int(error.findtext("xwhat/leakedbytes"))
    return sums


def markdown(path):
    text = text_of(path)
    outside = re.sub(r"^```\n(    [^\n]*\n)*```$", "", text, flags=re.M)
    check(not re.search(r"<(?!/?(details|summary)>)", outside), "markdown: a tag")
    for line in outside.splitlines():
        if line.startswith("|"):
            check(len(re.findall(r"(?<!\\)\|", line)) == 5, "markdown: cells:", line)
    return text


def compare(folder):
    path = lambda name: os.path.join(folder, name)
    d = json.loads(text_of(path("json")))
    check(not REPORT or not valid.wrong(REPORT, d), "json:", REPORT and valid.wrong(REPORT, d))
    text_of(path("text"))
    sums, comments = pprof(path("pprof"))
    sheet = callgrind(path("callgrind"))
    drawn, _ = html(path("html"))
    shown = speedscope(path("speedscope"))
    check(folded(path("folded")) == +collections.Counter({tuple(n.replace(";", ":") for n in s): v for s, v in sums["live_bytes"].items()}),
          "folded is not pprof's")
    for name in VALUES:
        total = sum(sums[name].values())
        title = name.replace("_", " ") if not name.startswith("peak") else name.split("_")[1] + " at the peak"
        check(sheet.get(name, 0) == total, "callgrind's", name, sheet.get(name), "not", total)
        check(shown.get(title, collections.Counter()) == sums[name], "speedscope's", name)
        check(drawn.get(title, collections.Counter()) == sums[name], "html's", name)
    if d["sampling"] is None:
        live = sum(site["bytes"] for site in d["sites"] if not site["pool"])
        check(live == sum(sums["live_bytes"].values()), "json's live bytes are", live)
    else:
        check(any("estimates" in comment for comment in comments), "pprof does not tell of estimates")
    whole = {site["id"]: site for site in d["sites"]}
    issues = [s for s in whole.values() if s["verdict"] in ("leaked", "possible") and not s["suppressed"]]
    prints = sarif(path("sarif"))
    names = junit(path("junit"))
    check(codequality(path("codequality")) == prints, "codequality's issues are not sarif's")
    check(len(names) >= len(prints) and bool(issues) == bool(prints), "issues", len(issues), len(names), len(prints))
    github(path("github"))
    markdown(path("markdown"))
    check(sum(valgrind(path("valgrind-xml")).values()) == sum(s["bytes"] for s in issues), "valgrind-xml's bytes")


for folder in sys.argv[1:]:
    try:
        compare(folder)
    except Exception as error:  # whatever it is: which folder it was says how to see it again
        print(f"{folder}: {type(error).__name__}: {error}")
        sys.exit(1)
