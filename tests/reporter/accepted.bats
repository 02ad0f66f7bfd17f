#!/usr/bin/env bats
# Each form given to the tool that it is for: at both levels, without a leak, as a gate writes it, and with names that try to
# break it. What is not installed is skipped: Debian's by scripts/install-deps, npm's by scripts/form-tools.
load helpers
load shop

GIVEN="paranoid simple clean failed inconclusive odd"
FORM_TOOLS=$ROOT/build/form-tools MODULES=$FORM_TOOLS/node_modules

setup_file() {
    build_tools "$BUILD/tests/reporter/mkdump"
    make_shop
    local given form list=()
    for given in $GIVEN; do mkdir -p "forms/$given"; done
    odd_dump $'a;b"]]>&<x>%25|`*_[x](y)\x1b\xff\n::error::' odd.dump
    "$TOOLS/mkdump" --blocks 3 --verdict 1 --no-end inconclusive.dump
    cp paranoid.dump failed.dump
    for given in $GIVEN; do
        list=()
        for form in $FORMS; do list+=(-f "$form=forms/$given/$form"); done
        case $given in
        failed) "$WEIR" gate "${list[@]}" failed.dump >out || [ $? = 1 ] || return 1 ;;
        inconclusive) "$WEIR" gate "${list[@]}" inconclusive.dump >out || [ $? = 3 ] || return 1 ;;
        *) "$WEIR" report "${list[@]}" "$given.dump" || return 1 ;;
        esac
    done
}
setup() {
    shop_setup
    cd "$F/forms" || return 1
}

# Once each for all of $GIVEN.
of_all() {
    local given
    for given in $GIVEN; do printf '%s\n' "$given/$1"; done
}
wants_form_tools() {
    command -v node >/dev/null || skip "node is not installed"
    [ -e "$FORM_TOOLS/installed" ] || skip "npm's tools are not there (scripts/form-tools)"
}
# by_ajv SCHEMA FILE...
by_ajv() {
    wants_form_tools
    node "$BATS_TEST_DIRNAME/accepting/check.js" "$FORM_TOOLS" "$@"
}

@test "json_is_as_its_schema_says" {
    /usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"
    local valid=$ROOT/tests/lib/valid.py
    cd "$BATS_TEST_TMPDIR" || return 1
    # All that a report can have, but for a core.
    mkdump --module "$F/shop" --records 2 --hint x --refusals 2 --mark a=3 --verdict 1 --pool 1 --weight 3 rich.dump
    mkdump --pid 2 unjudged.dump
    "$WEIR" report --json rich.dump >rich.json
    "$WEIR" report --json --since a rich.dump >since.json
    "$WEIR" report --json --sort total unjudged.dump >unjudged.json
    "$WEIR" report --json "$F/simple.dump" "$F/paranoid.dump" unjudged.dump >merged.json
    "$WEIR" diff --json "$F/clean.dump" "$F/paranoid.dump" >diff.json || [ $? = 1 ]
    # shellcheck disable=SC2046 # names without blanks
    (cd "$F/forms" && /usr/bin/python3 "$valid" report $(of_all json))
    /usr/bin/python3 "$valid" --renamed report rich.json since.json unjudged.json merged.json
    /usr/bin/python3 "$valid" --renamed report "$F/forms/failed/json"
    /usr/bin/python3 "$valid" --renamed diff diff.json
    "$WEIR" explain --json "$F/paranoid.dump" '*' >explain.json
    "$WEIR" explain --json "$F/paranoid.dump" "$(json '[s["path"]["steps"][-1]["address"] for s in d["sites"] if s["path"]][0]' explain.json)" >one.json
    /usr/bin/python3 "$valid" explain explain.json one.json
    same "$(json 'len(d["sites"]) > 0, len(json.load(open("rich.json"))["sites"][0]["records"])' diff.json)" "(True, 2)"
}

@test "each_name_in_the_schemas_is_in_the_manual" {
    /usr/bin/python3 - "$ROOT/doc" <<'P'
import json, re, sys
def names(schema):
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.values(): yield from names(part)
    elif isinstance(schema, list):
        for part in schema: yield from names(part)
for page in "report", "diff", "explain":
    text = open(f"{sys.argv[1]}/weir-{page}.1.md").read() + (open(f"{sys.argv[1]}/weir-forms.7.md").read() if page == "report" else "")
    known = set(re.findall(r"`([a-z_]+)`", text))
    missing = {n for n in names(json.load(open(f"{sys.argv[1]}/weir-{page}.schema.json")))} - known
    assert not missing, (page, missing)
P
}

@test "ajv_takes_json_sarif_speedscope_and_codequality" {
    # shellcheck disable=SC2046 # names without blanks
    by_ajv "$ROOT/doc/weir-report.schema.json" $(of_all json)
    # shellcheck disable=SC2046
    by_ajv "$MODULES/@microsoft/sarif-multitool-linux/sarif-2.1.0.json" $(of_all sarif)
    # shellcheck disable=SC2046
    by_ajv "$MODULES/speedscope/dist/release/file-format-schema.json" $(of_all speedscope)
    # shellcheck disable=SC2046
    by_ajv "$BATS_TEST_DIRNAME/accepting/codequality.schema.json" $(of_all codequality)
    # It can say no, too.
    sed 's/"check_name"/"check"/' paranoid/codequality >"$BATS_TEST_TMPDIR/renamed"
    run by_ajv "$BATS_TEST_DIRNAME/accepting/codequality.schema.json" "$BATS_TEST_TMPDIR/renamed"
    [ "$status" = 1 ]
    has "$output" "check_name"
}

# The rules of the standard's authors and those of GitHub's service. That weir has no home on the net is all they mind.
@test "sarif_multitool_takes_it_by_githubs_rules" {
    wants_form_tools
    local given
    export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_BUNDLE_EXTRACT_BASE_DIR=$BATS_TEST_TMPDIR
    mkdir "$BATS_TEST_TMPDIR/sarif"
    for given in $GIVEN; do cp "$given/sarif" "$BATS_TEST_TMPDIR/sarif/$given.sarif"; done
    cd "$BATS_TEST_TMPDIR" || return 1
    sed 's/"locations":\[{[^]]*\]}\]/"locations":[]/' sarif/paranoid.sarif >bad.sarif
    for given in sarif/*.sarif bad.sarif; do
        timeout 100 "$MODULES/@microsoft/sarif-multitool-linux/Sarif.Multitool" validate "$given" --rule-kind 'Sarif;Gh' --level 'Error;Warning' \
            --kind Fail --output seen.sarif --log ForceOverwrite >>said 2>&1 3>&-
    done
    same "$(grep -c '1 files scanned' said)" 7
    same "$(grep -E '(error|warning) [A-Z]+[0-9]+:' said | grep -v -e 'warning SARIF2005' -e '/bad.sarif(')" ""
    grep -E '/bad.sarif.*error GH1015' said
}

# Its release page, in Chromium, as its own command opens it: the table of functions and the totals are in the document.
@test "speedscopes_page_shows_it" {
    wants chromium
    wants_form_tools
    local given
    for given in paranoid simple odd; do
        printf 'speedscope.loadFileFromBase64("%s", "%s")\n' "$given" "$(base64 -w0 "$given/speedscope")" >"$BATS_TEST_TMPDIR/$given.js"
        timeout 100 chromium --headless --no-sandbox --use-angle=swiftshader --enable-unsafe-swiftshader --user-data-dir="$BATS_TEST_TMPDIR/profile" \
            --window-size=1200,900 --virtual-time-budget=20000 --dump-dom \
            "file://$MODULES/speedscope/dist/release/index.html#view=sandwich&localProfilePath=$BATS_TEST_TMPDIR/$given.js" \
            >"$BATS_TEST_TMPDIR/$given.html" 2>"$BATS_TEST_TMPDIR/err" 3>&- || { cat "$BATS_TEST_TMPDIR/err"; false; }
    done
    cd "$BATS_TEST_TMPDIR" || return 1
    has "$(cat paranoid.html)" "shop[" ">take<" ">leaked bytes<" ">6.14 KB<"
    has "$(cat simple.html)" ">take<" ">leaked bytes (estimates)<"
    has "$(cat odd.html)" 'a;b"]]&gt;&amp;&lt;x&gt;%25'
}

@test "go_tool_pprof_takes_it" {
    wants go
    local given pprof=(go tool pprof)
    for given in $GIVEN; do
        "${pprof[@]}" -raw "$given/pprof" >"$BATS_TEST_TMPDIR/raw.$given" 2>"$BATS_TEST_TMPDIR/err" || { cat "$BATS_TEST_TMPDIR/err"; false; }
        has "$(cat "$BATS_TEST_TMPDIR/raw.$given")" "weir "
    done
    grep -E "^Period: 1024" "$BATS_TEST_TMPDIR/raw.simple"
    grep estimates "$BATS_TEST_TMPDIR/raw.simple"
    grep -E '[0-9]: 0x.*a;b"\]\]>' "$BATS_TEST_TMPDIR/raw.odd"
    for given in paranoid failed; do
        "${pprof[@]}" -top -unit=B -sample_index=leaked_bytes "$given/pprof" >"$BATS_TEST_TMPDIR/top" 2>&1
        grep -E "6289B +100% +100% +6289B +100% +take \(inline\)" "$BATS_TEST_TMPDIR/top"
        grep -E "6225B .* shop::Cart<char\*>::add" "$BATS_TEST_TMPDIR/top"
    done
    for given in paranoid simple; do
        has "$("${pprof[@]}" -traces -sample_index=live_blocks "$given/pprof" 2>&1)" "verdict:  leaked" "take (inline)"
    done
    "${pprof[@]}" -top -unit=B -sample_index=live_bytes -base clean/pprof paranoid/pprof >"$BATS_TEST_TMPDIR/diff" 2>&1
    grep -E "6225B .* shop::Cart<char\*>::add" "$BATS_TEST_TMPDIR/diff"
}

@test "callgrind_annotate_takes_it" {
    wants callgrind_annotate
    local given
    for given in $GIVEN; do # its own warnings are about files of / otherwise
        (cd / && callgrind_annotate --auto=no --inclusive=yes "$F/forms/$given/callgrind") >"$BATS_TEST_TMPDIR/$given" 2>"$BATS_TEST_TMPDIR/err"
        [ ! -s "$BATS_TEST_TMPDIR/err" ] || { cat "$BATS_TEST_TMPDIR/err"; false; }
    done
    cd "$BATS_TEST_TMPDIR" || return 1
    grep -E "106,289 \(100.0%\) .*:main$" paranoid
    grep -E "^ +6,225 .*:shop::Cart<char\*>::add" paranoid
    grep -E ":shop::Cart<char\*>::add" simple
}

@test "xmllint_takes_junit_and_valgrind_xml" {
    wants xmllint
    # shellcheck disable=SC2046 # names without blanks
    xmllint --noout --schema "$BATS_TEST_DIRNAME/junit.xsd" $(of_all junit)
    # shellcheck disable=SC2046
    xmllint --noout $(of_all valgrind-xml)
    same "$(xmllint --xpath 'sum(//leakedbytes)' paranoid/valgrind-xml)" 6289
    same "$(xmllint --xpath 'string(//error[1]/stack/frame[1]/fn)' paranoid/valgrind-xml)" "take"
}
