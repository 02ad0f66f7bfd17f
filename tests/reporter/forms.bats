#!/usr/bin/env bats
# The forms of weir report -f and weir gate -f: each read by a parser that is not weir's, held against the others.
# accepted.bats gives each to the tool that it is for.
load helpers
load shop

setup_file() {
    build_tools "$BUILD/tests/reporter/mkdump" "$BUILD/tests/reporter/fuzz_load"
    make_shop
}
setup() { shop_setup; }

@test "all_forms_of_a_dump_say_the_same" {
    local level
    for level in paranoid simple clean; do
        all_forms "$level" "$F/$level.dump"
        agree "$level"
    done
    same "$(grep -c . clean/codequality)" 1
    has "$(cat clean/junit)" 'tests="1" failures="0" errors="0"'
    has "$(cat clean/markdown)" "nothing leaked"
}

@test "stacks_are_whole_and_inlined_frames_are_kept" {
    expect 0 "$WEIR" report -f folded --value=leaked_bytes "$F/paranoid.dump"
    has "$out" ";main;shop::Cart<char*>::add;order_new;take 6225" ";main;down;down;down;down;down;down;order_new;take 64"
    same "$(grep -c . .out)" 2
    expect 0 "$WEIR" report -f folded --value allocated_blocks "$F/paranoid.dump"
    has "$out" ";main;order_new;take 1000"
}

@test "an_issue_is_where_the_users_own_code_is" {
    all_forms o "$F/paranoid.dump"
    same "$(jq_ '[(i["location"]["path"], i["location"]["lines"]["begin"], i["severity"]) for i in d]' o/codequality)" "[('src/shop.cc', 2, 'major')]"
    has "$(cat o/github)" "::error file=src/shop.cc,line=2,title=Leak%3A take::leaked 6.1 KiB in 51 blocks, made by take on 2 paths%0A    #0 take (src/shop.cc:2)%0A    #1 order_new (src/shop.cc:3)%0A"
    has "$(cat o/junit)" 'name="take shop.cc"' "    #2 shop::Cart&lt;char*&gt;::add (src/shop.cc:6)"
    lacks "$(cat o/junit)" "file="
    expect 0 "$WEIR" report -f junit --junit-flavor=gitlab --skip take "$F/paranoid.dump"
    has "$out" 'name="order_new shop.cc" file="src/shop.cc"'
    mkdir elsewhere
    cd elsewhere || return 1 # no such file below it: the compiler's word stays
    expect 0 "$WEIR" report -f codequality "$F/paranoid.dump"
    has "$out" "\"path\":\"$F/src/shop.cc\""
    GITHUB_WORKSPACE=$F expect 0 "$WEIR" report -f codequality "$F/paranoid.dump"
    has "$out" '"path":"src/shop.cc"'
}

@test "a_fingerprint_outlives_lines_that_shift_and_another_compiler" {
    local before
    "$WEIR" report -f codequality --skip take "$F/paranoid.dump" >before
    before=$(jq_ '[i["fingerprint"] for i in d]' before)
    sed -i '1i // a line\n// another' src/shop.cc
    clang++ -g -O2 -o shop src/shop.cc
    WEIR_LEAKS=exit WEIR_QUIET=1 WEIR_OUTPUT=shifted.dump WEIR_LEVEL=paranoid LD_PRELOAD=$SHIM ./shop leak
    "$WEIR" report -f codequality --skip take shifted.dump >after
    same "$(jq_ '[i["fingerprint"] for i in d]' after)" "$before"
    has "$(cat after)" '"begin":5'
}

@test "several_forms_at_once_and_one_to_standard_output" {
    expect 0 "$WEIR" report -f json=a.json -f text -f sarif=a.sarif "$F/paranoid.dump"
    has "$out" "LEAK: "
    same "$(jq_ 'd["totals"]["blocks"]' a.json)" 151
    expect 0 "$WEIR" report --json "$F/paranoid.dump"
    cmp .out a.json
    expect 2 "$WEIR" report -f json -f text "$F/paranoid.dump"
    has "$err" "another form goes to standard output"
    expect 2 "$WEIR" report -f pdf "$F/paranoid.dump"
    has "$err" "must be one of: text, json, folded"
    expect 2 "$WEIR" report -f json= "$F/paranoid.dump"
    expect 2 "$WEIR" report -f folded --value=weight "$F/paranoid.dump"
    has "$err" "live_bytes, live_blocks"
    expect 2 "$WEIR" report -f junit --junit-flavor=x "$F/paranoid.dump"
}

@test "what_cannot_be_written_is_one_line_and_no_success" {
    expect 3 "$WEIR" report -f sarif=/nowhere/a.sarif "$F/paranoid.dump"
    one_line
    has "$err" "/nowhere/a.sarif: cannot be written: No such file or directory"
    expect 3 "$WEIR" report -f pprof=/dev/full -f json=a.json "$F/paranoid.dump"
    one_line
    has "$err" "/dev/full: cannot be written: No space left on device"
    same "$(jq_ 'd["totals"]["blocks"]' a.json)" 151
    expect 2 "$WEIR" gate -f sarif=/nowhere/a.sarif "$F/paranoid.dump"
    one_line
    [ -z "$out" ]
    expect 3 "$WEIR" gate -f sarif=/dev/full "$F/clean.dump"
    has "$out" "INCONCLUSIVE"
    GITHUB_STEP_SUMMARY=/dev/full expect 3 "$WEIR" report -f github "$F/paranoid.dump"
    has "$err" "/dev/full: cannot be written" "GITHUB_STEP_SUMMARY"
}

@test "a_gates_forms_have_its_verdict" {
    expect 1 "$WEIR" gate -f junit=a.xml -f sarif=a.sarif -f json=a.json -f markdown=a.md "$F/paranoid.dump"
    has "$out" "weir gate: FAILED"
    same "$(jq_ 'd["gate"]["result"], d["gate"]["processes"]' a.json)" "('failed', 1)"
    has "$(cat a.md)" "### weir: shop: failed" "- leaked 6.1 KiB in 51 blocks"
    has "$(cat a.xml)" '<failure type="failed" message="leaked 6.1 KiB in 51 blocks">'
    expect 1 env GITHUB_STEP_SUMMARY="$PWD/summary" "$WEIR" gate -f github "$F/paranoid.dump"
    has "$out" "::error title=weir gate::leaked" "::error file=src/shop.cc,line=2"
    lacks "$out" "weir gate: FAILED"
    has "$err" "weir gate: FAILED"
    has "$(cat summary)" "### weir: shop: failed" "| 6.1 KiB leaked | 51 | take | src/shop.cc:2 |"
    mkdump cut.dump --no-end
    expect 3 "$WEIR" gate -f junit=a.xml -f sarif=a.sarif cut.dump
    has "$(cat a.xml)" 'errors="1"' '<error type="inconclusive"'
    same "$(jq_ 'd["runs"][0]["invocations"][0]["executionSuccessful"]' a.sarif)" False
    expect 0 "$WEIR" gate -f junit=a.xml --level=paranoid -- "$F/shop"
    has "$(cat a.xml)" 'tests="1" failures="0" errors="0"'
    expect 3 "$WEIR" gate -f junit=a.xml -- sh -c 'kill -9 $$'
    has "$(cat a.xml)" 'was killed by SIGKILL'
}

@test "no_name_breaks_a_form" {
    local name
    mkdir odd
    for name in $'a;b\nc' $'"]]>&<x>\x1b]0;t\x07\xff\xfe' $'\xef\xbf\xbe::error file=x,line=1::y' $'100%25|`*_[x](y)@z\xe2\x80\xaeevil\tx'; do
        odd_dump "$name" odd.dump
        all_forms odd odd.dump
        agree odd
        ! command -v xmllint >/dev/null || xmllint --noout odd/junit odd/valgrind-xml
    done
    has "$(cat odd/folded)" '@z\xe2\x80\xaeevil\x09x 9'
    mv m $'m]]>;"\n\x1b'
    WEIR_LEAKS=exit WEIR_QUIET=1 WEIR_OUTPUT=odd.dump WEIR_LEVEL=paranoid LD_PRELOAD=$SHIM ./m]*
    all_forms odd odd.dump
    agree odd
}

@test "more_issues_than_are_read_are_left_out_and_that_is_said" {
    mkdump --blocks 60 --sites 60 --depth 3 --verdict 1 many.dump
    expect 0 "$WEIR" report -f github -f markdown=a.md many.dump
    same "$(grep -c '^::error' .out)" 10
    has "$out" "::notice title=weir::50 more are not shown here"
    same "$(grep -c 'leaked |' a.md)" 20
    has "$(cat a.md)" "... and 40 more"
    expect 0 "$WEIR" report -f sarif=a.sarif --top 7 many.dump
    one_line
    has "$err" "sarif: the first 7; 53 more are left out (--top)"
}

@test "memory_that_was_not_searched_is_not_called_clean" {
    mkdump a.dump
    expect 0 "$WEIR" report -f junit -f sarif=a.sarif -f github=a.gh a.dump
    has "$out" '<error type="inconclusive"' "memory was not searched for leaks"
    has "$(cat a.gh)" "::error title=weir::" "memory was not searched"
    same "$(jq_ 'len(d["runs"][0]["results"])' a.sarif)" 0
}

# page FILE SCRIPT: the file in Chromium, which the script looks at and clicks in (`seen` is what it has found): $seen as JSON.
page() {
    wants chromium
    cat "$1" - >shown.html <<P
<script>
const \$ = (id) => document.getElementById(id), all = (what) => [...document.querySelectorAll(what)];
const key = (k) => document.dispatchEvent(new KeyboardEvent("keydown", { key: k, bubbles: true }));
const change = (id, value) => { \$(id).value = value; \$(id).dispatchEvent(new Event(id === "search" ? "input" : "change")); };
const texts = (what) => all(what).map((e) => e.textContent), pause = () => new Promise((next) => setTimeout(next, 200));
const wide = (name) => all(".frame").filter((e) => e.textContent.startsWith(name)).reduce((w, e) => w + e.clientWidth, 0) / \$("flame").clientWidth;
const errors = [];
addEventListener("error", (e) => errors.push(e.message));
addEventListener("securitypolicyviolation", (e) => errors.push(e.blockedURI));
async function test() {
  while (!document.body.dataset.ready) await pause();
  const seen = {};
  try { $2 } catch (e) { errors.push(String(e)); }
  seen.errors = errors;
  document.body.append(Object.assign(document.createElement("pre"), { id: "result", textContent: btoa(unescape(encodeURIComponent(JSON.stringify(seen)))) }));
}
test();
</script>
P
    timeout 100 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$PWD/profile" --window-size=1200,900 --virtual-time-budget=20000 --dump-dom "file://$PWD/shown.html" 2>chromium.err 3>&- >dom.html || { cat chromium.err; false; }
    sed -nE 's/.*<pre id="result">([A-Za-z0-9+\/=]*)<\/pre>.*/\1/p' dom.html | base64 -d >seen.json
    [ -s seen.json ] || { tail -c 2000 dom.html chromium.err; false; }
    same "$(jq_ 'd["errors"]' seen.json)" "[]"
}
seen() { same "$(jq_ "$1" seen.json)" "$2"; }

@test "the_page_shows_searches_sorts_zooms_and_turns" {
    expect 0 "$WEIR" report -f html=a.html "$F/paranoid.dump"
    same "$(grep -c 'Copyright (c) 2022 Leon Sorokin' a.html)" 1
    page a.html '
        seen.frames = texts(".frame").map((t) => t.split("  ")[0]); seen.sum = $("sum").textContent; seen.sites = texts(".row .text:nth-child(3)");
        seen.top = all(".row")[0].textContent; seen.width = wide("main");
        change("search", "CART"); await pause(); seen.found = texts(".found").length; seen.foundSites = all(".row").length;
        change("search", ""); await pause(); change("verdict", "1"); seen.leaked = $("sum").textContent; seen.cart = wide("shop::Cart");
        key("i"); seen.inverted = texts(".frame")[0].split("  ")[0]; key("i");
        all(".row")[0].click(); seen.detail = $("detail").textContent; seen.zoomed = $("hover").textContent; key("Escape"); seen.back = $("reset").hidden;
        change("verdict", "-1"); all(".head button")[1].click(); seen.most = all(".row")[0].children[1].textContent;
        all(".head button")[1].click(); seen.least = all(".row")[0].children[1].textContent;
        all(".frame").find((e) => e.textContent.startsWith("main")).click(); seen.faded = all(".faded").length; key("ArrowDown"); seen.focus = all(".focus").length;
        const light = getComputedStyle(document.body).backgroundColor; key("t"); seen.dark = light !== getComputedStyle(document.body).backgroundColor;
        key("f"); seen.up = $("turn").getAttribute("aria-pressed"); key("?"); seen.keys = $("keys").hidden;
        seen.timeline = $("timeline").hidden; change("value", "1"); seen.blocks = $("sum").textContent;
    '
    seen 'd["frames"][:3]' "['_start', '__libc_start_main_impl', '__libc_start_call_main']"
    seen 'd["sum"], d["blocks"]' "('104 KiB of 104 KiB at 3 sites', '151 of 151 at 3 sites')"
    seen 'd["sites"], 0.99 < d["width"] <= 1' "(['take', 'take', 'take'], True)"
    seen 'd["found"] > 0, d["foundSites"], d["leaked"], round(d["cart"], 2)' "(True, 1, '6.1 KiB of 104 KiB at 2 sites', 0.99)"
    seen 'd["inverted"], d["back"], d["most"], d["least"]' "('take', True, '100', '1')"
    has "$(jq_ 'd["detail"]' seen.json)" "leaked" "shop::Cart<char*>::add" "shop.cc:6" "(inlined)" "mostly by thread"
    seen 'd["faded"] > 0, d["focus"], d["dark"], d["up"], d["keys"], d["timeline"]' "(True, 1, True, 'true', False, True)"
}

@test "the_page_has_a_timeline_of_several_dumps_and_a_diff_in_colour" {
    cat >grow.c <<'C'
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
char *volatile kept[4000];
__attribute__((noinline)) char *grows(void) { char *p = malloc(1000); __asm__ volatile("" ::: "memory"); return p; }
__attribute__((noinline)) char *shrinks(void) { char *p = malloc(2000); __asm__ volatile("" ::: "memory"); return p; }
int main(void) {
    for (int i = 0; i < 500; i++) kept[3000 + i] = shrinks();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) kept[round * 1000 + i] = grows();
        kill(getpid(), SIGRTMAX - 1);
        usleep(20000);
        for (int i = 0; i < 150; i++) free(kept[3000 + round * 150 + i]);
    }
}
C
    gcc -g -O1 -o grow grow.c
    WEIR_OUTPUT=g.%n.dump WEIR_QUIET=1 WEIR_LEVEL=paranoid LD_PRELOAD=$SHIM ./grow
    expect 0 "$WEIR" report -f html=t.html g.*.dump
    expect 1 "$WEIR" diff -f html=d.html g.1.dump g.3.dump
    has "$out" "grows"
    expect 2 "$WEIR" diff -f pprof=d g.1.dump g.3.dump
    page t.html 'seen.shown = !$("timeline").hidden; seen.canvas = all("canvas").length; seen.legend = texts(".u-label");'
    seen 'd["shown"], d["canvas"]' "(True, 1)"
    has "$(jq_ 'd["legend"]' seen.json)" "charged" " live"
    page d.html '
        const colour = (name) => getComputedStyle(all(".frame").find((e) => e.textContent.startsWith(name))).backgroundColor.match(/\d+/g).map(Number);
        const [r, , b] = colour("grows"), [r2, , b2] = colour("shrinks");
        seen.red = r > b; seen.blue = b2 > r2; seen.rows = all(".row").map((e) => [e.children[0].textContent, e.children[3].textContent]);
    '
    seen 'd["red"], d["blue"], d["rows"]' "(True, True, [['+1.9 MiB', 'grows'], ['-586 KiB', 'shrinks']])"
}

@test "the_page_of_100000_sites_is_small_and_shown" {
    mkdump --blocks 200000 --sites 100000 --depth 20 --verdict 1 big.dump
    expect 0 "$WEIR" report -f html=big.html big.dump
    [ "$(wc -c <big.html)" -lt 2000000 ] || { wc -c big.html; false; }
    page big.html 'seen.sum = $("sum").textContent; seen.rest = texts(".rest"); seen.rows = all(".row").length;'
    seen 'd["sum"].endswith("at 100,000 sites"), d["rows"] < 100, d["rest"]' "(True, True, ['... 100,000 more, each little'])"
}

@test "fuzzed_dumps_give_forms_that_can_be_read" {
    local dumps=$((LONG ? 300 : 60))
    mkdir forms
    FORMS=$PWD/forms timeout 120 "$TOOLS/fuzz_load" 11 $dumps "$PWD" "$F/shop"
    [ "$(find forms -name sarif | wc -l)" -gt $((dumps / 2)) ]
    agree forms/*
}

# Of 1,000,000 blocks and 100,000 sites with LONG=1, else of a tenth.
@test "many_sites_take_seconds_and_some_megabytes" {
    local part=${LONG:+1}
    mkdump --blocks $((1000000 / ${part:-10})) --sites $((100000 / ${part:-10})) --depth 20 --verdict 1 big.dump
    local form list=() seconds kilobytes
    for form in $FORMS; do list+=(-f "$form=o.$form"); done
    /usr/bin/python3 - "$WEIR" report "${list[@]}" big.dump >used 2>err <<'P'
import os, resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
P
    read -r seconds kilobytes <used
    echo "$seconds s, $kilobytes KB"
    awk -v s="$seconds" -v k="$kilobytes" -v p="${part:-10}" 'BEGIN { exit !(s < 8 / p + 0.5 && k < 500000 / p + 30000) }'
}
