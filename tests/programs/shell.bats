#!/usr/bin/env bats
# Shell, core utilities and archivers behave under weir as without it: same output, messages and exit status.
load ../lib/weir

bash_session() {
    local -A seen
    local i word text status
    for ((i = 0; i < 3000; i++)); do seen[$((i * 7919 % 1009))]+="$i "; done
    echo "${#seen[@]} keys, ${seen[5]}"
    for word in {a..e}{0..9}; do text+=$word; done
    printf '%s\n' "${text//[0-9]/.}" "${text^^}"
    while read -r i word; do echo "$word=$i"; done < <(for i in {1..20}; do echo "$i w$((i * i))"; done)
    echo "to stderr" >&2
    ls /proc/self/fd
    for status in 0 7 255; do (exit "$status"); echo "exit $?"; done
    # Ends by signals keep their status, also in a child that bash forked.
    for i in TERM KILL ABRT; do
        /bin/sh -c "kill -$i \$\$"
        echo "$i $?"
    done 2>/dev/null
    /no/such/program
    echo "$?"
    echo "$((16#ff)) $(seq 1 200 | while read -r i; do echo -n "$((i % 7))"; done)"
}

coreutils_session() {
    seq 1 20000 | sed 's/$/ line of text/' >a
    sort -R --random-source=/dev/zero a >shuffled
    sort --parallel=2 -S 1M -n shuffled | cmp - a && echo sorted
    wc a
    sha256sum a | cut -c1-64
    md5sum <a
    od -An -tx1 -N64 a
    join <(sort a) <(sort shuffled) | tail -n 2
    split -l 5000 a part. && ls -l --time-style=+ part.* | awk '{print $5, $6}'
    uniq -c <(cut -c1 a | sort) | head -n 3
    tr a-z A-Z <a | tail -n 1
    factor 18446744073709551557 1000000016000000063
    comm -3 <(seq 1 10) <(seq 2 11)
    base64 -w0 a | head -c 80; echo
    paste -d, <(seq 3) <(seq 4 6)
    expr 12345678901234567890 \* 98765432109876543210
    numfmt --to=iec 123456789
    ls /no/such; echo "$?"
    find . -type f -name 'p*' -exec cat {} + | cksum
}

tar_session() {
    local i kind
    mkdir tree
    for i in $(seq 40); do seq "$i" "$((i * 300))" >"tree/$i"; done
    for kind in xz zstd; do
        tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner "--use-compress-program=$kind -T2" -cf "t.$kind" tree
        sha256sum "t.$kind"
        mkdir "out.$kind"
        tar -C "out.$kind" -xf "t.$kind" && diff -r tree "out.$kind/tree" && echo "$kind came back"
    done
    tar -cf plain.tar tree && xz -9 -k plain.tar && xz -t plain.tar.xz && zstd -q -19 --long=24 plain.tar && zstd -q -t plain.tar.zst
    head -c 1000 t.xz >torn.xz
    xz -t torn.xz
    echo "torn: $?"
}
export -f bash_session coreutils_session tar_session

@test "bash_behaves_as_without_weir_at_disabled" { same_as_without disabled bash bash_session; }
@test "bash_behaves_as_without_weir_at_simple" { same_as_without simple bash bash_session; }
@test "bash_behaves_as_without_weir_at_paranoid" { same_as_without paranoid bash bash_session; }
@test "coreutils_behave_as_without_weir_at_disabled" { same_as_without disabled sort coreutils_session; }
@test "coreutils_behave_as_without_weir_at_simple" { same_as_without simple sort coreutils_session; }
@test "coreutils_behave_as_without_weir_at_paranoid" { same_as_without paranoid sort coreutils_session; }
@test "tar_xz_and_zstd_behave_as_without_weir_at_disabled" { same_as_without disabled xz tar_session; }
@test "tar_xz_and_zstd_behave_as_without_weir_at_simple" { same_as_without simple xz tar_session; }
@test "tar_xz_and_zstd_behave_as_without_weir_at_paranoid" { same_as_without paranoid xz tar_session; }
