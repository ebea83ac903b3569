import static org.apache.mesos.v1.Protos.*;

import com.mesosphere.mesos.rx.java.MesosClientBuilder;
import com.mesosphere.mesos.rx.java.SinkOperation;
import com.mesosphere.mesos.rx.java.SinkOperations;
import com.mesosphere.mesos.rx.java.protobuf.ProtobufMesosClientBuilder;
import com.mesosphere.mesos.rx.java.util.UserAgentEntries;
import java.net.URI;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import org.apache.mesos.v1.scheduler.Protos.Call;
import org.apache.mesos.v1.scheduler.Protos.Event;
import rx.Observable;

/** A framework of two commands: one ends by itself, one is killed as soon as it runs. Says each state, and leaves. */
public final class Two {
  private static final FrameworkID ID = FrameworkID.newBuilder().setValue("two-" + System.nanoTime()).build();

  private final Queue<String> waiting = new ArrayDeque<>(List.of("short", "long"));
  private int running = waiting.size();

  public static void main(String[] args) throws Throwable {
    Two two = new Two();
    MesosClientBuilder<Call, Event> client = ProtobufMesosClientBuilder.schedulerUsingProtos()
        .mesosUri(URI.create("http://" + args[0] + "/api/v1/scheduler"))
        .applicationUserAgentEntry(UserAgentEntries.literal("two", "1"))
        .subscribe(subscribe());
    client.processStream(events -> events.flatMap(event -> Observable.from(two.answer(event)))
        .map(call -> Optional.of((SinkOperation<Call>) SinkOperations.create(call))));
    client.build().openStream().await();
    System.out.println("left");
  }

  private static Call subscribe() {
    FrameworkInfo info = FrameworkInfo.newBuilder().setId(ID).setUser(System.getProperty("user.name"))
        .setName("two").setRole("*").setFailoverTimeout(0).build();
    return call(Call.Type.SUBSCRIBE).setSubscribe(Call.Subscribe.newBuilder().setFrameworkInfo(info)).build();
  }

  private static Call.Builder call(Call.Type type) {
    return Call.newBuilder().setType(type).setFrameworkId(ID);
  }

  private List<Call> answer(Event event) {
    switch (event.getType()) {
      case OFFERS:
        List<Call> calls = new ArrayList<>();
        event.getOffers().getOffersList().forEach(offer -> calls.add(launch(offer)));
        return calls;
      case UPDATE:
        return follow(event.getUpdate().getStatus());
      default:
        System.out.println(event.getType());
        return List.of();
    }
  }

  /** All that waits goes into the first offer; an ACCEPT without operations declines. */
  private Call launch(Offer offer) {
    Call.Accept.Builder accept = Call.Accept.newBuilder().addOfferIds(offer.getId());
    while (!waiting.isEmpty()) {
      String name = waiting.remove();
      TaskInfo task = TaskInfo.newBuilder().setName(name).setTaskId(TaskID.newBuilder().setValue(name))
          .setAgentId(offer.getAgentId()).addResources(scalar("cpus", 0.1)).addResources(scalar("mem", 32))
          .setCommand(CommandInfo.newBuilder().setValue(name.equals("short") ? "echo hello" : "sleep 1000"))
          .build();
      accept.addOperations(Offer.Operation.newBuilder().setType(Offer.Operation.Type.LAUNCH)
          .setLaunch(Offer.Operation.Launch.newBuilder().addTaskInfos(task)));
    }
    return call(Call.Type.ACCEPT).setAccept(accept).build();
  }

  private static Resource scalar(String name, double value) {
    return Resource.newBuilder().setName(name).setType(Value.Type.SCALAR).setRole("*")
        .setScalar(Value.Scalar.newBuilder().setValue(value)).build();
  }

  private List<Call> follow(TaskStatus status) {
    String name = status.getTaskId().getValue();
    System.out.println(name + " " + status.getState());
    List<Call> calls = new ArrayList<>();
    if (status.hasUuid()) {
      calls.add(call(Call.Type.ACKNOWLEDGE).setAcknowledge(Call.Acknowledge.newBuilder()
          .setAgentId(status.getAgentId()).setTaskId(status.getTaskId()).setUuid(status.getUuid())).build());
    }
    switch (status.getState()) {
      case TASK_RUNNING:
        if (name.equals("long")) {
          calls.add(call(Call.Type.KILL).setKill(Call.Kill.newBuilder().setTaskId(status.getTaskId())).build());
        }
        break;
      case TASK_FINISHED:
      case TASK_KILLED:
        running -= 1;
        break;
      default:
    }
    if (running == 0) {
      calls.add(call(Call.Type.TEARDOWN).build());
    }
    return calls;
  }
}
