import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import java.util.List;

/** Serves MongoDB's protocol on 127.0.0.1; arguments: the port, and the file that keeps the data. */
public class MongoServer {
    /** What the server says it is: pymongo refuses the older version that is built in. */
    private static class Version5 implements MongoVersion {
        public List<Integer> getVersionArray() {
            return List.of(5, 0, 0);
        }

        public int getWireVersion() {
            return 13;
        }
    }

    public static void main(String[] arguments) {
        var backend = new H2Backend(arguments[1]);
        backend.version(new Version5());
        var server = new de.bwaldvogel.mongo.MongoServer(backend);
        server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        System.out.println("MongoServer is ready");
    }
}
