#!/usr/bin/env bats
# Interpreters and virtual machines behave under weir as without it.
load ../lib/weir

perl_session() {
    perl -e 'use strict; use warnings; my (%h, @a);
        $h{$_ * 7919 % 10007} .= "x$_" for 1 .. 60000; push @a, [map { $_ * $_ } 1 .. $_ % 50] for 1 .. 3000;
        print scalar(keys %h), " ", length(join ",", map { "@$_" } @a), "\n";
        my $s = join "", map { chr(97 + $_ % 26) } 1 .. 100000; my $n = () = $s =~ /(a|b)[c-f]+(?=g)/g; print "$n\n";
        for my $i (1 .. 3) { my $pid = fork; if (!$pid) { exit $i } waitpid $pid, 0; print $? >> 8, "\n" }
        warn "a warning\n"; eval { die { code => 5 } }; print $@->{code}, "\n"; print `echo from a child`'
}
python_session() { python3 -S "$PROGRAMS/session.py"; }
python_malloc_session() { PYTHONMALLOC=malloc python3 -S "$PROGRAMS/session.py"; }
ruby_session() {
    ruby -e 'h = Hash.new { |m, k| m[k] = [] }; 60000.times { |i| h[i * 7919 % 1009] << "v#{i}" }
        puts h.size, h.values.map(&:size).max, h[5].first(3).join(",")
        puts 4.times.map { |t| Thread.new { (1..20000).map { |i| i.to_s * 3 }.select { |s| s.hash; s.size > 12 }.size + t } }.map(&:value).sum
        GC.start; GC.compact if GC.respond_to?(:compact); s = +""; 20000.times { |i| s << i.to_s }; puts s.sum, s.scan(/12+3/).size
        r, w = IO.pipe; pid = fork { w.puts "child"; exit! 4 }; Process.wait pid; puts r.gets, $?.exitstatus
        begin; Integer("x"); rescue ArgumentError => e; puts e.message; end; warn "a warning"'
}
lua_session() {
    lua5.4 -e 'local t = {} for i = 1, 100000 do t[i * 7919 % 10007] = (t[i * 7919 % 10007] or "") .. i % 10 end
        local n = 0 for _, v in pairs(t) do n = n + #v end print(n, #table.concat(t, ","))
        local c = coroutine.wrap(function() for i = 1, 5000 do coroutine.yield({i, tostring(i)}) end end)
        local s = 0 for i = 1, 5000 do s = s + #c()[2] end print(s) collectgarbage() print(string.rep("ab", 20):gsub("a", "xyz"))
        print(pcall(error, "an error")) io.stderr:write("to stderr\n")'
}
node_session() {
    # Which of the threads is done first is chance: what they print is sorted.
    node -e 'const out = []; process.on("exit", () => console.log(out.sort().join("\n"))); const m = new Map(); for (let i = 0; i < 200000; i++) m.set(i * 7919 % 10007, (m.get(i * 7919 % 10007) || 0) + i);
        console.log(m.size, [...m.values()].reduce((a, b) => a + b, 0));
        const z = require("zlib"), c = require("crypto"); const b = Buffer.alloc(1 << 20, "weir and water ");
        z.deflate(b, (e, d) => z.inflate(d, (e, i) => out.push(i.equals(b) + " " + c.createHash("sha256").update(i).digest("hex"))));
        const { Worker } = require("worker_threads"); let sum = 0, left = 3;
        for (let k = 1; k <= 3; k++) new Worker("const p = require(\"worker_threads\"); let a = []; for (let i = 0; i < 50000; i++) a.push({ i, s: String(i) }); p.parentPort.postMessage(a.length * p.workerData)", { eval: true, workerData: k })
            .on("message", v => { sum += v; }).on("exit", () => { if (!--left) out.push("workers " + sum); });
        console.error("to stderr"); process.exitCode = 3'
    echo "status $?"
}
java_session() {
    # Compiled once, without weir, by setup_file: the program under test is the virtual machine.
    java -Xmx256m -XX:+UseParallelGC -XX:-UsePerfData -XX:TieredStopAtLevel=4 -cp "$JAVA_CLASSES" Session
    echo "status $?"
}
export -f perl_session python_session python_malloc_session ruby_session lua_session node_session java_session

setup_file() {
    export JAVA_CLASSES=$BATS_FILE_TMPDIR/classes
    javac -d "$JAVA_CLASSES" "$BATS_TEST_DIRNAME/Session.java"
}

@test "perl_behaves_as_without_weir_at_disabled" { same_as_without disabled perl perl_session; }
@test "perl_behaves_as_without_weir_at_simple" { same_as_without simple perl perl_session; }
@test "perl_behaves_as_without_weir_at_paranoid" { same_as_without paranoid perl perl_session; }
@test "python_behaves_as_without_weir_at_disabled" { same_as_without disabled python3 python_session; }
@test "python_behaves_as_without_weir_at_simple" { same_as_without simple python3 python_session; }
@test "python_behaves_as_without_weir_at_paranoid" { same_as_without paranoid python3 python_session; }
@test "python_with_malloc_for_all_behaves_as_without_weir_at_disabled" { same_as_without disabled python3 python_malloc_session; }
@test "python_with_malloc_for_all_behaves_as_without_weir_at_simple" { same_as_without simple python3 python_malloc_session; }
@test "python_with_malloc_for_all_behaves_as_without_weir_at_paranoid" { same_as_without paranoid python3 python_malloc_session; }
@test "ruby_behaves_as_without_weir_at_disabled" { same_as_without disabled ruby ruby_session; }
@test "ruby_behaves_as_without_weir_at_simple" { same_as_without simple ruby ruby_session; }
@test "ruby_behaves_as_without_weir_at_paranoid" { same_as_without paranoid ruby ruby_session; }
@test "lua_behaves_as_without_weir_at_disabled" { same_as_without disabled lua lua_session; }
@test "lua_behaves_as_without_weir_at_simple" { same_as_without simple lua lua_session; }
@test "lua_behaves_as_without_weir_at_paranoid" { same_as_without paranoid lua lua_session; }
@test "node_behaves_as_without_weir_at_disabled" { same_as_without disabled node node_session; }
@test "node_behaves_as_without_weir_at_simple" { same_as_without simple node node_session; }
@test "node_behaves_as_without_weir_at_paranoid" { same_as_without paranoid node node_session; }
@test "java_behaves_as_without_weir_at_disabled" { same_as_without disabled java java_session; }
@test "java_behaves_as_without_weir_at_simple" { same_as_without simple java java_session; }
@test "java_behaves_as_without_weir_at_paranoid" { same_as_without paranoid java java_session; }
