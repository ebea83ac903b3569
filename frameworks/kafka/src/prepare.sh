# Runs in the sandbox before every start. With an argument it is the id of a KRaft cluster.
set -eu

mkdir -p data/kafka

# A formatted volume is left alone; asking the tool each time would cost a second.
if [ $# -gt 0 ] && [ ! -f data/kafka/meta.properties ]; then
  exec java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp 'lib/*' kafka.tools.StorageTool format \
    --ignore-formatted --cluster-id="$1" --config=server.properties
fi
