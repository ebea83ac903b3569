# Runs in the sandbox before every start. The sandbox is new for each task, the volume `data` stays.
set -eu
umask 077

# Flume knows how far it has read by the absolute paths of files. Those that lie on the volume may have got another
# path together with it.
root=$(cd data && pwd -P)
old=$(cat data/root 2>/dev/null || echo "$root")
if [ "$old" != "$root" ]; then
  for positions in data/positions-*.json; do
    [ -f "$positions" ] || continue
    sed "s|\"$old/|\"$root/|g" "$positions" >"$positions.new"
    mv "$positions.new" "$positions"
  done
fi
printf '%s\n' "$root" >data/root.new
mv data/root.new data/root

sed "s|@DATA@|$root|g" flume.properties.in >flume.properties
