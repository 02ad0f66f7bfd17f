#!/usr/bin/env bats
# The pages in doc/: every verb has one, and each says what the help says; libweir.7 has what the shim reads.
load helpers

setup() { plain; }

verbs() { "$WEIR" --help | sed -nE 's/^  weir ([a-z]+)( .*|$)/\1/p' | sort -u; }
# Words that begin with --, of files or of standard input.
options_in() { grep -ohE -- '(^|[^a-zA-Z0-9_-])--[a-z][a-z-]*' "$@" | grep -oE -- '--.*' | sort -u; }
variables_in() { grep -ohE 'WEIR_[A-Z_]*[A-Z]' "$@" | sort -u; }

@test "each_verb_has_a_page_and_each_page_a_verb" {
    verbs >verbs
    [ "$(wc -l <verbs)" -ge 6 ]
    same "$(cd "$ROOT/doc" && printf '%s\n' *.md | sort)" "$({ sed 's/.*/weir-&.1.md/' verbs; printf '%s\n' weir.1.md libweir.7.md weir-ci.7.md weir-forms.7.md weir-rules.5.md; } | sort)"
    for verb in $(cat verbs); do has "$(cat "$ROOT/doc/weir.1.md")" "[weir-$verb(1)](weir-$verb.1.md)"; done
}

@test "each_option_of_the_help_heads_a_paragraph_and_no_other" {
    for verb in $(verbs); do
        expect 0 "$WEIR" "$verb" --help
        options_in <<<"$out" >help
        grep '^#### ' "$ROOT/doc/weir-$verb.1.md" | sed 's/\*//g' | options_in >page
        same "$verb $(cat page)" "$verb $(cat help)"
        same "$verb $(grep '^#### ' "$ROOT/doc/weir-$verb.1.md" | grep -oE '^#### \*\*-[a-z]\*' | tr -dc '[:alpha:]')" "$verb $(grep -oE '^  -[a-z],' <<<"$out" | tr -dc '[:alpha:]')"
    done
}

@test "no_page_names_an_option_that_no_command_has" {
    # The last ones are Node.js's, meson's and Bazel's.
    { "$WEIR" --help; for verb in $(verbs); do "$WEIR" "$verb" --help; done; echo --perf-basic-prof --interpreted-frames-native-stack --wrap --run_under --sandbox_writable_path --sandbox_debug; } | options_in >known
    sed 's/\*//g' "$ROOT"/doc/*.md "$ROOT/README.md" | options_in >named
    same "$(comm -23 named known)" ""
}

@test "libweir_7_has_each_variable_that_the_shim_reads_and_no_other" {
    sed -nE 's/^ +\{"(WEIR_[A-Z_]+)".*/\1/p' "$ROOT/shim/base/options.c" | sort >shim
    [ "$(wc -l <shim)" -ge 25 ]
    grep '^#### ' "$ROOT/doc/libweir.7.md" | variables_in >page
    same "$(cat page)" "$(cat shim)"
    same "$(variables_in "$ROOT"/doc/*.md "$ROOT/README.md" | comm -23 - shim)" "WEIR_LEVLE" # the wrong one, to show the message
}

@test "each_option_of_run_stands_with_its_variable" {
    expect 0 "$WEIR" run --help
    grep -E '^  --.*WEIR_' <<<"$out" >rows
    [ "$(wc -l <rows)" -ge 25 ]
    while read -r flag rest; do
        flag=${flag%%[*}
        has "$(awk -v flag="**$flag**" '/^#/ { on = index($0, flag) } on' "$ROOT/doc/weir-run.1.md")" "(\`${rest##* }\`)"
        has "$(grep -F "\`$flag\`" "$ROOT/README.md")" "\`${rest##* }\`"
    done <rows
}

@test "each_page_has_its_sections_and_links_to_pages" {
    for page in "$ROOT"/doc/*.md; do
        name=$(basename "$page" .md)
        same "$(head -n 1 "$page")" "# ${name%.*} ${name##*.}"
        same "$(grep '^##' "$page" | sort | uniq -d)" ""
        has "$(cat "$page")" $'\n## NAME\n\n'"${name%.*} - " $'\n## SYNOPSIS\n' $'\n## DESCRIPTION\n' $'\n## SEE ALSO\n'
        [[ $name == *.5 || $name == weir-ci.7 ]] || has "$(cat "$page")" $'\n## OPTIONS\n'
        [[ $name != *.1 ]] || has "$(cat "$page")" $'\n## EXIT STATUS\n'
        [[ $name == *.7 ]] || has "$(cat "$page")" $'\n## EXAMPLES\n'
    done
    for link in $(grep -ohE '\]\([a-z0-9./-]+\.md' "$ROOT"/doc/*.md | sort -u | cut -c3-); do [ -e "$ROOT/doc/$link" ] || { echo "no $link"; return 1; }; done
    for link in $(grep -ohE '\]\([a-zA-Z0-9./-]+' "$ROOT/README.md" | sort -u | cut -c3-); do [ -e "$ROOT/$link" ] || { echo "no $link"; return 1; }; done
}

@test "the_pages_become_man_pages_without_a_warning" {
    command -v go-md2man >/dev/null || skip "go-md2man is not installed"
    command -v groff >/dev/null || skip "groff is not installed"
    make --no-print-directory -s -C "$ROOT" BUILD="$BATS_TEST_TMPDIR/b" $(cd "$ROOT/doc" && for page in *.md; do name=${page%.md}; echo "$BATS_TEST_TMPDIR/b/man/man${name##*.}/$name"; done)
    for page in b/man/*/*; do
        groff -ww -k -man -Tutf8 "$page" >text 2>warnings
        same "$page: $(cat warnings)" "$page: "
        [ "$(wc -l <text)" -gt 40 ]
        lacks "$(cat text)" "**" ".md"
    done
    [ "$(ls b/man/*/* | wc -l)" = "$(ls "$ROOT"/doc/*.md | wc -l)" ]
}

@test "without_a_converter_there_are_no_pages_and_no_failure" {
    mkdir bin
    for tool in make sh gcc cat sed cmp mkdir printf mv tr; do [ ! -e "$(type -P $tool)" ] || ln -s "$(type -P $tool)" bin/; done
    PATH=$PWD/bin expect 0 make --no-print-directory -n -C "$ROOT" BUILD="$BUILD" all install
    lacks "$out" "md2man" "man/man1"
}
