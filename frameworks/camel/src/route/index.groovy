// One batch of records: indexed, or put into the dead-letter topic, and only then committed.
//
// Camel's own commit of a batch takes the consumer's position, which may be ahead of the batch; what is committed here
// are the records of this batch. Documents have the place of their record as their id, and are created rather than
// written over: a record that comes again changes nothing. Nothing is given up: until everything has arrived, this
// tries again.

import com.fasterxml.jackson.databind.ObjectMapper
import java.time.Instant
import java.time.ZoneOffset
import java.time.format.DateTimeFormatter
import org.apache.camel.component.kafka.KafkaConstants
import org.apache.camel.component.kafka.consumer.KafkaManualCommit
import org.apache.http.HttpHost
import org.apache.http.entity.ContentType
import org.apache.http.nio.entity.NByteArrayEntity
import org.apache.http.message.BasicHeader
import org.elasticsearch.client.Request
import org.elasticsearch.client.RestClient
import org.slf4j.LoggerFactory

/** What the scripts of one indexer share: made once, by whoever comes first. */
class Indexer {
    static final log = LoggerFactory.getLogger("indexer")
    static final int CHUNK = 5 * 1024 * 1024
    static final long PAUSE_MAX = 10_000
    static Indexer it

    final context
    final RestClient client
    final producer
    final String index, deadLetters
    final boolean json
    final mapper = new ObjectMapper()
    /** A batch was left behind: nothing that comes after it may be committed. */
    boolean over

    static synchronized Indexer of(context) {
        if (it == null) it = new Indexer(context)
        it
    }

    Indexer(context) {
        this.context = context
        def option = { name -> context.resolvePropertyPlaceholders("{{${name}}}".toString()) }
        def hosts = option("elasticsearch.hosts").split(",").collect { HttpHost.create(it.trim()) }
        def builder = RestClient.builder(hosts as HttpHost[])
        builder.requestConfigCallback = { it.setConnectTimeout(5_000).setSocketTimeout(60_000) }
        def login = new File("login").text
        if (login) {
            def basic = "Basic " + login.getBytes("UTF-8").encodeBase64()
            builder.defaultHeaders = [new BasicHeader("Authorization", basic)] as BasicHeader[]
        }
        client = builder.build()
        producer = context.createProducerTemplate()
        index = option("index.name")
        deadLetters = "kafka:${option("index.dead")}?brokers=${option("kafka.brokers")}&requestRequiredAcks=all".toString() +
            ["key", "value"].collect { "&${it}Serializer=org.apache.kafka.common.serialization.ByteArraySerializer" }.join("")
        json = option("index.format") == "json"
    }

    void take(exchanges) {
        if (over) throw new IllegalStateException("an earlier batch was left behind")
        over = true
        def dead = []
        def lines = exchanges.collect { entry(it.message, dead) }.findAll { it != null }
        chunks(lines).each { chunk -> until("Elasticsearch") { bulk(chunk, dead) } }
        dead.each { letter -> until("the dead-letter topic") { bury(letter) } }
        commit(exchanges)
        over = false
    }

    /** Again and again, with longer and longer pauses. */
    void until(String where, Closure attempt) {
        long pause = 250
        while (true) {
            try {
                attempt()
                return
            } catch (Exception e) {
                if (context.isStopping() || context.isStopped()) throw e
                log.warn("${where} does not take a batch; again in ${pause} ms: ${e.class.simpleName}: ${short_(e.message)}")
                Thread.sleep(pause)
                pause = Math.min(pause * 2, PAUSE_MAX)
            }
        }
    }

    /** A record as two lines of a bulk request; null if it is none that could be indexed. */
    Map entry(message, dead) {
        try {
            return document(message)
        } catch (Exception e) {
            dead << [message: message, reason: e.message ?: e.class.name]
            return null
        }
    }

    Map document(message) {
        def place = "${message.getHeader(KafkaConstants.TOPIC)}-${message.getHeader(KafkaConstants.PARTITION)}-${message.getHeader(KafkaConstants.OFFSET)}".toString()
        byte[] value = message.body
        def at = Instant.ofEpochMilli(message.getHeader(KafkaConstants.TIMESTAMP) as long)
        if (value == null) throw new IllegalArgumentException("the record has no value")
        Map fields = json ? parsed(value) : [message: new String(value, "UTF-8")]
        def all = origin(message) + ["@timestamp": at.toString()] + fields
        def name = index.replace("{topic}", message.getHeader(KafkaConstants.TOPIC) as String)
            .replaceAll(/\{([yMdH._-]+)\}/) { full, pattern -> DateTimeFormatter.ofPattern(pattern).withZone(ZoneOffset.UTC).format(at) }
        def text = mapper.writeValueAsString([create: [_index: name, _id: place]]) + "\n" + mapper.writeValueAsString(all) + "\n"
        [bytes: text.getBytes("UTF-8"), message: message]
    }

    /** Where a line comes from, as its key and headers say. Keys of the logs of tasks end in FRAMEWORK~TASK~FILE. */
    Map origin(message) {
        def fields = [kafka: [topic: message.getHeader(KafkaConstants.TOPIC), partition: message.getHeader(KafkaConstants.PARTITION), offset: message.getHeader(KafkaConstants.OFFSET)]]
        def host = message.getHeader("host")
        if (host instanceof byte[]) fields.host = [name: new String(host, "UTF-8")]
        def key = message.getHeader(KafkaConstants.KEY)
        if (key instanceof byte[] && key.length > 0) {
            def path = new String(key, "UTF-8")
            def parts = path.substring(path.lastIndexOf("/") + 1).split("~")
            if (parts.length >= 3) {
                fields.service = [name: parts[0], node: [name: parts[1].tokenize(".")[0]]]
                fields.log = [file: [path: parts[2..-1].join("/")]]
                fields.task = parts[1]
            } else {
                fields.log = [file: [path: path]]
            }
        }
        fields
    }

    Map parsed(byte[] value) {
        def tree
        try {
            tree = mapper.readValue(value, Object)
        } catch (Exception e) {
            throw new IllegalArgumentException("not JSON: ${e.message}".toString())
        }
        if (!(tree instanceof Map)) throw new IllegalArgumentException("not a JSON object")
        tree
    }

    static List chunks(lines) {
        def all = [], size = 0
        lines.each {
            if (all.isEmpty() || size + it.bytes.length > CHUNK) {
                all << []
                size = 0
            }
            all.last() << it
            size += it.bytes.length
        }
        all
    }

    void bulk(chunk, dead) {
        def out = new ByteArrayOutputStream()
        chunk.each { out.write(it.bytes) }
        def request = new Request("POST", "/_bulk")
        request.addParameter("filter_path", "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason")
        request.entity = new NByteArrayEntity(out.toByteArray(), ContentType.create("application/x-ndjson"))
        def answer = mapper.readValue(client.performRequest(request).entity.content, Map)
        if (!answer.errors) return
        def refused = []
        answer.items.eachWithIndex { item, i ->
            def result = item.create
            // 409: it has been there before. 400: it will never do. Everything else may pass.
            if (result.status == 400) refused << [message: chunk[i].message, reason: "${result.error?.type}: ${result.error?.reason}; ${result.error?.caused_by?.reason ?: ''}".toString()]
            else if (result.status >= 300 && result.status != 409) throw new IOException("status ${result.status}: ${result.error?.type}: ${result.error?.reason}")
        }
        dead.addAll(refused)
    }

    void bury(letter) {
        def message = letter.message
        def headers = [
            (KafkaConstants.KEY): message.getHeader(KafkaConstants.KEY),
            "reason": short_(letter.reason), "topic": message.getHeader(KafkaConstants.TOPIC) as String,
            "partition": message.getHeader(KafkaConstants.PARTITION) as String,
            "offset": message.getHeader(KafkaConstants.OFFSET) as String, "host": message.getHeader("host"),
        ].findAll { it.value != null }
        producer.sendBodyAndHeaders(deadLetters, message.body, headers)
        log.warn("${headers.topic}-${headers.partition}-${headers.offset} cannot be indexed: ${headers.reason}")
    }

    /** The last record of each partition. Whoever has got the partition meanwhile finds the documents there already. */
    void commit(exchanges) {
        def last = [:]
        exchanges.each { last[[it.message.getHeader(KafkaConstants.TOPIC), it.message.getHeader(KafkaConstants.PARTITION)]] = it.message.getHeader(KafkaConstants.MANUAL_COMMIT, KafkaManualCommit) }
        last.values().each {
            try {
                it.commit()
            } catch (Exception e) {
                log.warn("a position was not committed, its records come again: ${short_(e.message)}")
            }
        }
    }

    static String short_(text) {
        text = "${text}".replaceAll(/\s+/, " ")
        text.length() > 500 ? text.take(500) + "…" : text
    }
}

Indexer.of(exchange.context).take(exchange.message.body)
