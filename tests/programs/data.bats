#!/usr/bin/env bats
# git and sqlite behave under weir as without it.
load ../lib/weir

git_session() {
    local i
    export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat GIT_TERMINAL_PROMPT=0
    git config --global init.defaultBranch main
    git config --global user.name Weir && git config --global user.email weir@example.org
    git config --global gc.auto 0 && git config --global pack.threads 2
    git init -q repo && cd repo || return
    for i in $(seq 12); do
        export GIT_AUTHOR_DATE="@$((1700000000 + i)) +0000" GIT_COMMITTER_DATE="@$((1700000000 + i)) +0000"
        seq "$i" "$((i * 400))" >"file$((i % 4))"
        git add -A && git commit -q -m "commit $i"
    done
    git log --format='%H %s' --stat
    git gc -q --aggressive --prune=now && git fsck --full --strict
    git count-objects -v | grep -v size
    git clone -q . ../clone && git -C ../clone rev-parse HEAD
    git checkout -q -b side HEAD~3 && git diff --stat main && git merge -q -m merged main && git rev-parse HEAD
    git grep -c 33 && git blame file1 | sha256sum
    git rev-parse no-such-branch
    echo "status $?"
}

sqlite_session() {
    local script="
        CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, weight REAL);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
            INSERT INTO t SELECT i, printf('name %d', i * 7919 % 30011), i / 7.0 FROM n;
        CREATE INDEX by_name ON t(name);
        SELECT count(*), sum(weight), max(name) FROM t;
        SELECT a.id, b.id FROM t a JOIN t b ON a.name = b.name WHERE a.id % 9973 = 0;
        SELECT group_concat(name, '|') FROM (SELECT name FROM t ORDER BY name LIMIT 20);
        UPDATE t SET name = upper(name) WHERE id % 3 = 0; DELETE FROM t WHERE id % 5 = 0;
        SELECT json_group_array(json_object('i', id, 'n', name)) FROM (SELECT * FROM t LIMIT 50);
        VACUUM; PRAGMA integrity_check; SELECT count(*) FROM t;"
    sqlite3 :memory: "$script"
    sqlite3 file.db "$script"
    sqlite3 file.db .dump | sha256sum
    sqlite3 file.db 'SELECT nothing FROM nowhere'
    echo "status $?"
}
export -f git_session sqlite_session

@test "git_behaves_as_without_weir_at_disabled" { same_as_without disabled git git_session; }
@test "git_behaves_as_without_weir_at_simple" { same_as_without simple git git_session; }
@test "git_behaves_as_without_weir_at_paranoid" { same_as_without paranoid git git_session; }
@test "sqlite_behaves_as_without_weir_at_disabled" { same_as_without disabled sqlite3 sqlite_session; }
@test "sqlite_behaves_as_without_weir_at_simple" { same_as_without simple sqlite3 sqlite_session; }
@test "sqlite_behaves_as_without_weir_at_paranoid" { same_as_without paranoid sqlite3 sqlite_session; }
