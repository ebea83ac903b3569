import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.HashMap;
import java.util.Map;
import org.apache.storm.Config;
import org.apache.storm.StormSubmitter;
import org.apache.storm.generated.AlreadyAliveException;
import org.apache.storm.spout.SpoutOutputCollector;
import org.apache.storm.task.TopologyContext;
import org.apache.storm.topology.BasicOutputCollector;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.topology.TopologyBuilder;
import org.apache.storm.topology.base.BaseBasicBolt;
import org.apache.storm.topology.base.BaseRichSpout;
import org.apache.storm.tuple.Fields;
import org.apache.storm.tuple.Tuple;
import org.apache.storm.tuple.Values;

/** Counts words, and writes each count on a board: WordCount NAME WORKERS URL. */
public class WordCount {
    /** Emits each sentence once, and again when it got lost. */
    public static class Sentences extends BaseRichSpout {
        private static final String[] SENTENCES = {
            "a stack of stones", "each of the stones rests on the one below", "the lowest of the stones rests on the ground"
        };
        private SpoutOutputCollector out;
        private int next;

        @Override
        public void open(Map<String, Object> conf, TopologyContext context, SpoutOutputCollector collector) {
            out = collector;
        }

        @Override
        public void nextTuple() {
            if (next < SENTENCES.length) {
                out.emit(new Values(SENTENCES[next]), next);
                next++;
            }
        }

        @Override
        public void fail(Object id) {
            out.emit(new Values(SENTENCES[(Integer) id]), id);
        }

        @Override
        public void declareOutputFields(OutputFieldsDeclarer declarer) {
            declarer.declare(new Fields("sentence"));
        }
    }

    public static class Split extends BaseBasicBolt {
        @Override
        public void execute(Tuple tuple, BasicOutputCollector out) {
            for (String word : tuple.getString(0).split(" ")) {
                out.emit(new Values(word));
            }
        }

        @Override
        public void declareOutputFields(OutputFieldsDeclarer declarer) {
            declarer.declare(new Fields("word"));
        }
    }

    public static class Count extends BaseBasicBolt {
        private final String url;
        private final Map<String, Integer> counts = new HashMap<>();
        private transient HttpClient http;

        Count(String url) {
            this.url = url;
        }

        @Override
        public void execute(Tuple tuple, BasicOutputCollector out) {
            String word = tuple.getString(0);
            int count = counts.merge(word, 1, Integer::sum);
            try {
                if (http == null) {
                    http = HttpClient.newHttpClient();
                }
                HttpRequest request = HttpRequest.newBuilder(URI.create(url + "/" + word))
                    .PUT(HttpRequest.BodyPublishers.ofString(Integer.toString(count))).build();
                http.send(request, HttpResponse.BodyHandlers.discarding());
            } catch (Exception e) {
                throw new RuntimeException(e);
            }
        }

        @Override
        public void declareOutputFields(OutputFieldsDeclarer declarer) {
        }
    }

    public static void main(String[] args) throws Exception {
        TopologyBuilder builder = new TopologyBuilder();
        builder.setSpout("sentences", new Sentences());
        builder.setBolt("split", new Split(), 2).shuffleGrouping("sentences");
        builder.setBolt("count", new Count(args[2]), 2).fieldsGrouping("split", new Fields("word"));
        Config config = new Config();
        config.setNumWorkers(Integer.parseInt(args[1]));
        config.setNumAckers(1);
        try {
            StormSubmitter.submitTopology(args[0], config, builder.createTopology());
        } catch (AlreadyAliveException e) {
            // An earlier try got as far as that.
            System.out.println(args[0] + " runs already");
        }
    }
}
