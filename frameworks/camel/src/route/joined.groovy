// Ready once the consumer has joined its group and knows its partitions, which may be none.

import java.lang.management.ManagementFactory
import javax.management.ObjectName
import org.apache.camel.health.HealthCheckResultBuilder
import org.apache.camel.impl.health.AbstractHealthCheck

new AbstractHealthCheck("cairn", "joined") {
    @Override
    protected void doCall(HealthCheckResultBuilder result, Map<String, Object> options) {
        def beans = ManagementFactory.platformMBeanServer
        def members = beans.queryNames(new ObjectName("kafka.consumer:type=consumer-coordinator-metrics,client-id=*"), null)
        def joined = members.findAll { beans.getAttribute(it, "rebalance-total") >= 1 }
        joined ? result.up() : result.message("has not joined its group yet").down()
    }
}
