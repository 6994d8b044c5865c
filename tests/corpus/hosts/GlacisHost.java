import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.IntUnaryOperator;

/** A Java virtual machine that loads the sensors: it compiles, recompiles, collects and makes classes meanwhile. */
public final class GlacisHost {
    private static native void start();

    public static void main(String[] args) throws Exception {
        System.load(args[0]);
        start();
        ExecutorService workers = Executors.newFixedThreadPool(2);
        for (long round = 0;; round++) {
            List<IntUnaryOperator> made = new ArrayList<>();
            for (int at = 0; at < 8; at++) {
                int shift = (int) (round + at) % 31;
                made.add(value -> value << shift ^ value);
            }
            workers.submit(() -> work(made)).get();
            Thread.sleep(20);
        }
    }

    private static int work(List<IntUnaryOperator> made) {
        Map<Integer, byte[]> garbage = new HashMap<>();
        int sum = 0;
        for (int at = 0; at < 20_000; at++) {
            sum += made.get(at % made.size()).applyAsInt(at);
            if (at % 100 == 0) {
                garbage.put(at, new byte[1_024]);
            }
        }
        return sum + garbage.size();
    }
}
