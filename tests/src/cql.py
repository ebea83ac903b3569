# Statements from standard input, one a line, carried out through the driver that Python programs use. Prints the rows of
# each as JSON, one a line, or {"error": "…"} for one that was not acknowledged. Arguments: the contact points,
# host:port,host:port,…, and how many seconds a statement may take.
import json
import sys

from cassandra import ConsistencyLevel, ReadFailure, ReadTimeout, WriteFailure, WriteTimeout
from cassandra.cluster import Cluster, ExecutionProfile, EXEC_PROFILE_DEFAULT
from cassandra.connection import DefaultEndPoint
from cassandra.policies import ConstantReconnectionPolicy, RoundRobinPolicy

points = [p.rsplit(":", 1) for p in sys.argv[1].split(",")]
profile = ExecutionProfile(
    load_balancing_policy=RoundRobinPolicy(),
    consistency_level=ConsistencyLevel.QUORUM,
    request_timeout=float(sys.argv[2]),
)
cluster = Cluster(
    [DefaultEndPoint(host, int(port)) for host, port in points],
    execution_profiles={EXEC_PROFILE_DEFAULT: profile},
    connect_timeout=20,
    # By itself the driver tries a node that is away at ever longer pauses. Here nodes are back in seconds, and the next one is
    # restarted then: it could take all of them for away at the same time.
    reconnection_policy=ConstantReconnectionPolicy(0.5, max_attempts=None),
)
session = cluster.connect()
# A replica that ends over a statement does not answer any more, and the coordinator tells the client so, who may repeat what does
# the same twice, as all statements here do. Once: another replica does not end at the same time. That too few are there
# (Unavailable) is never repeated beyond what the driver does.
LEFT_OPEN = (ReadFailure, ReadTimeout, WriteFailure, WriteTimeout)


def execute(statement):
    try:
        return session.execute(statement)
    except LEFT_OPEN as error:
        print(f"{type(error).__name__}: {error}; {statement} is repeated", file=sys.stderr, flush=True)
        return session.execute(statement)


for line in sys.stdin:
    try:
        told = [list(row) for row in execute(line.strip())]
    except Exception as error:
        told = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(told, default=str), flush=True)
cluster.shutdown()
