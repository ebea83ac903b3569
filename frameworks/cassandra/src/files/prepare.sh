# Puts cassandra.yaml together, and makes room for a node that had left the ring
# and joins it again: Cassandra refuses to start on what a decommissioned node has left behind. All of that was streamed to
# the other nodes before `left` was written.
set -eu

if [ -e data/left ]; then
  rm -rf data/data data/commitlog data/saved_caches data/hints data/cdc_raw
  rm data/left
fi
# Most classes are Cassandra's own. The jars of `lib/*` are searched in the order in which the folder lists them, a hundred of
# them, so its own goes before: a fifteenth of the processor time of a start.
for jar in lib/cassandra-all-*.jar lib/apache-cassandra-*.jar; do
  if [ -e "$jar" ]; then ln -sfn "$jar" cassandra.jar; fi
done
cp node.yaml cassandra.yaml
cat >>cassandra.yaml <<SEEDS
seed_provider: [{class_name: org.apache.cassandra.locator.SimpleSeedProvider, parameters: [{seeds: "$(cat seeds)"}]}]
SEEDS
