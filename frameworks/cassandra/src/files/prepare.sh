# Links the jars of the archive to `lib`, puts cassandra.yaml together, and makes room for a node that had left the ring
# and joins it again: Cassandra refuses to start on what a decommissioned node has left behind. All of that was streamed to
# the other nodes before `left` was written.
set -eu
found=
for dir in */lib; do
  if [ -d "$dir" ]; then found=$dir; fi
done
if [ -z "$found" ]; then
  echo "the distribution has no folder NAME/lib with the jars of Cassandra" >&2
  exit 1
fi
ln -sfn "$found" lib

if [ -e data/left ]; then
  rm -rf data/data data/commitlog data/saved_caches data/hints data/cdc_raw
  rm data/left
fi
cat node.yaml seeds.yaml >cassandra.yaml
