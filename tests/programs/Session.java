// What java_session runs: threads that succeed each other, garbage, direct buffers, compression, an exit status.
import java.nio.ByteBuffer;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.IntStream;
import java.util.zip.*;

public class Session {
    static long work(int seed) throws Exception {
        Map<Integer, List<String>> map = new TreeMap<>();
        for (int i = 0; i < 30000; i++) map.computeIfAbsent(i * 31 % 997, k -> new ArrayList<>()).add("v" + i * seed);
        byte[] text = map.toString().getBytes("UTF-8"), packed = new byte[text.length];
        Deflater deflater = new Deflater();
        deflater.setInput(text);
        deflater.finish();
        int length = deflater.deflate(packed);
        deflater.end();
        ByteBuffer direct = ByteBuffer.allocateDirect(1 << 20).put(packed, 0, length).flip();
        CRC32 crc = new CRC32();
        crc.update(direct);
        Inflater inflater = new Inflater();
        inflater.setInput(packed, 0, length);
        byte[] back = new byte[text.length];
        int got = inflater.inflate(back);
        inflater.end();
        if (got != text.length || !Arrays.equals(text, back)) throw new AssertionError("inflate");
        return crc.getValue();
    }

    public static void main(String[] args) throws Exception {
        for (int generation = 0; generation < 3; generation++) {
            ExecutorService pool = Executors.newFixedThreadPool(8);
            List<Future<Long>> results = new ArrayList<>();
            for (int i = 1; i <= 16; i++) { int seed = i; results.add(pool.submit(() -> work(seed))); }
            long sum = 0;
            for (Future<Long> f : results) sum = sum * 31 + f.get();
            pool.shutdown();
            System.out.println("generation " + generation + ": " + sum);
        }
        System.out.println(IntStream.range(0, 1_000_000).parallel().mapToObj(Integer::toString).mapToLong(String::length).sum());
        try { ByteBuffer.allocateDirect(Integer.MAX_VALUE); } catch (OutOfMemoryError e) { System.out.println("refused by the JVM"); }
        System.err.println("to stderr");
        System.exit(5);
    }
}
