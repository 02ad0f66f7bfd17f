// The row "java": compression and direct buffers on two threads, which is where a virtual machine calls malloc.
import java.nio.ByteBuffer;
import java.util.zip.*;

public class Work {
    static long sum(int thread) {
        byte[] text = new byte[20000], packed = new byte[30000];
        long sum = 0;
        for (int i = 0; i < text.length; i++) text[i] = (byte) (i * i % (90 + thread));
        for (int i = 0; i < 400; i++) {
            Deflater deflater = new Deflater(1);
            deflater.setInput(text);
            deflater.finish();
            int length = deflater.deflate(packed);
            deflater.end();
            CRC32 crc = new CRC32();
            crc.update(ByteBuffer.allocateDirect(length).put(packed, 0, length).flip());
            sum += crc.getValue();
        }
        return sum;
    }

    public static void main(String[] args) throws Exception {
        long[] sums = new long[2];
        Thread[] threads = new Thread[2];
        for (int t = 0; t < 2; t++) { int me = t; (threads[t] = new Thread(() -> sums[me] = sum(me))).start(); }
        for (Thread t : threads) t.join();
        System.out.println(sums[0] + sums[1]);
    }
}
