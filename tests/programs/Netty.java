// Netty's direct memory and that of a JVM, for weir to look at from outside: java Netty CASE.
import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.util.internal.PlatformDependent;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

public class Netty {
    static final int MIB = 1 << 20;
    static final List<Object> kept = new ArrayList<>();

    // Six buffers of one chunk, then two that are larger than any: the second passes Netty's limit of 40 MiB.
    static void limit() {
        PooledByteBufAllocator allocator = PooledByteBufAllocator.DEFAULT;
        for (int i = 0; i < 6; i++) kept.add(allocator.directBuffer(MIB));
        kept.add(allocator.directBuffer(20 * MIB));
        try {
            kept.add(allocator.directBuffer(20 * MIB));
            System.out.println("allocated");
        } catch (OutOfMemoryError e) {
            System.out.println(e.getClass().getSimpleName() + " used " + PlatformDependent.usedDirectMemory());
        }
    }

    // Netty's limit is far, weir's ceiling is not: a hundred times as much as there is, which the program survives.
    static final List<ByteBuffer> reachable = new ArrayList<>();

    // A direct buffer whose owner was collected while its Cleaner did not run: memory without anybody who knows of it.
    static void lose(sun.misc.Unsafe unsafe) {
        unsafe.setMemory(unsafe.allocateMemory(1000003), 1000003, (byte) 1);
    }
    static void wipe(int depth) {
        long a = depth, b = ~a;
        if (depth > 0) wipe(depth - 1);
        if (a == b) System.out.println(a);
    }

    // Three buffers that are reachable, one that is lost.
    static void verdicts() throws Exception {
        var field = sun.misc.Unsafe.class.getDeclaredField("theUnsafe");
        field.setAccessible(true);
        var unsafe = (sun.misc.Unsafe) field.get(null);
        for (int i = 0; i < 3; i++) reachable.add(ByteBuffer.allocateDirect(1000001));
        lose(unsafe);
        wipe(200);
        System.gc();
        for (int i = 0; i < 1000; i++) ByteBuffer.allocateDirect(16);
        wipe(200);
        System.out.println("made");
    }

    static void ceiling() {
        int caught = 0;
        long most = 0;
        for (int round = 0; round < 100; round++) {
            List<ByteBuf> buffers = new ArrayList<>();
            try {
                for (;;) buffers.add(PooledByteBufAllocator.DEFAULT.directBuffer(24 * MIB));
            } catch (OutOfMemoryError e) {
                caught++;
                most = Math.max(most, buffers.size());
            }
            for (ByteBuf buffer : buffers) buffer.release();
        }
        System.out.println("caught " + caught + ", at most " + (most > 2 ? "several" : most) + " buffers");
    }

    static BufferPoolMXBean pool(String name) {
        for (BufferPoolMXBean pool : ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class))
            if (pool.getName().equals(name)) return pool;
        throw new IllegalStateException(name);
    }

    // Says what the JVM counts, and waits for a line each time.
    static void say(String what) throws Exception {
        System.out.println(what + " " + pool("direct").getMemoryUsed() + " " + pool("mapped").getMemoryUsed());
        if (System.in.read() < 0) System.exit(3);
    }

    static void pools() throws Exception {
        System.out.println(ProcessHandle.current().pid());
        say("before");
        for (int i = 0; i < 8; i++) kept.add(ByteBuffer.allocateDirect(4 * MIB));
        say("direct");
        try (FileChannel file = FileChannel.open(Path.of("mapped"), StandardOpenOption.CREATE, StandardOpenOption.READ,
                                                 StandardOpenOption.WRITE)) {
            MappedByteBuffer mapped = file.map(FileChannel.MapMode.READ_WRITE, 0, 8 * MIB);
            mapped.put(0, (byte) 1);
            kept.add(mapped);
        }
        say("mapped");
    }

    // An echo server and its clients: what is sent comes back, all of it.
    static class Echo extends ChannelInboundHandlerAdapter {
        @Override public void channelRead(ChannelHandlerContext context, Object message) {
            context.writeAndFlush(message);
        }
    }

    static class Client extends ChannelInboundHandlerAdapter {
        final CountDownLatch done;
        final AtomicLong received, wrong;
        final int total;
        int sent, got;

        Client(CountDownLatch done, AtomicLong received, AtomicLong wrong, int total) {
            this.done = done;
            this.received = received;
            this.wrong = wrong;
            this.total = total;
        }

        void send(ChannelHandlerContext context) {
            int n = Math.min(1 + sent * 7 % 9000, total - sent);
            ByteBuf buffer = context.alloc().directBuffer(n);
            for (int i = 0; i < n; i++) buffer.writeByte((byte) ((sent + i) % 251));
            sent += n;
            context.writeAndFlush(buffer);
        }

        @Override public void channelActive(ChannelHandlerContext context) {
            send(context);
        }

        @Override public void channelRead(ChannelHandlerContext context, Object message) {
            ByteBuf buffer = (ByteBuf) message;
            while (buffer.isReadable())
                if (buffer.readByte() != (byte) (got++ % 251)) wrong.incrementAndGet();
            buffer.release();
            if (got < sent) return;
            if (sent < total) {
                send(context);
            } else {
                received.addAndGet(got);
                done.countDown();
                context.close();
            }
        }
    }

    static void serve(Supplier<Echo> handler, ByteBufAllocator allocator) throws Exception {
        final int clients = 16, total = 400_000;
        NioEventLoopGroup group = new NioEventLoopGroup(4);
        CountDownLatch done = new CountDownLatch(clients);
        AtomicLong received = new AtomicLong(), wrong = new AtomicLong();
        Channel server = new ServerBootstrap()
                             .group(group)
                             .channel(NioServerSocketChannel.class)
                             .childOption(ChannelOption.ALLOCATOR, allocator)
                             .childHandler(new ChannelInitializer<Channel>() {
                                 @Override protected void initChannel(Channel channel) {
                                     channel.pipeline().addLast(handler.get());
                                 }
                             })
                             .bind(InetAddress.getLoopbackAddress(), 0)
                             .sync()
                             .channel();
        for (int i = 0; i < clients; i++)
            new Bootstrap()
                .group(group)
                .channel(NioSocketChannel.class)
                .handler(new ChannelInitializer<Channel>() {
                    @Override protected void initChannel(Channel channel) {
                        channel.pipeline().addLast(new Client(done, received, wrong, total));
                    }
                })
                .connect((InetSocketAddress) server.localAddress());
        done.await();
        server.close().sync();
        group.shutdownGracefully(0, 1000, java.util.concurrent.TimeUnit.MILLISECONDS).sync();
        System.out.println("received " + received + ", wrong " + wrong);
    }

    // Three methods that make direct buffers and keep them: often enough to be compiled.
    static void readHeader() {
        kept.add(ByteBuffer.allocateDirect(1000));
    }
    static void readBody() {
        kept.add(ByteBuffer.allocateDirect(5000));
    }
    static void readTrailer() {
        kept.add(ByteBuffer.allocateDirect(300));
    }
    static void three() throws Exception {
        for (int i = 0; i < 2000; i++) {
            readHeader();
            readBody();
            readTrailer();
        }
        System.out.println("kept " + kept.size());
    }

    // It forgets to release: a copy for its log, and a part that it did not send after all.
    static class Forgetful extends Echo {
        @Override public void channelRead(ChannelHandlerContext context, Object message) {
            logRequest(context, (ByteBuf) message);
            prepareAnswer(context, (ByteBuf) message);
            super.channelRead(context, message);
        }
        void logRequest(ChannelHandlerContext context, ByteBuf request) {
            kept.add(context.alloc().directBuffer(700).writeByte(request.readableBytes()));
        }
        void prepareAnswer(ChannelHandlerContext context, ByteBuf request) {
            kept.add(context.alloc().directBuffer(2000).writeByte(request.readableBytes()));
        }
    }

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
        case "limit" -> limit();
        case "ceiling" -> ceiling();
        case "verdicts" -> verdicts();
        case "pools" -> pools();
        case "echo" -> serve(Echo::new, PooledByteBufAllocator.DEFAULT);
        case "three" -> three();
        case "forget" -> serve(Forgetful::new, UnpooledByteBufAllocator.DEFAULT);
        default -> System.exit(2);
        }
        System.out.flush();
    }
}
