# Runs in the sandbox before every start: $1 is the server's id.
#
# The sandbox is new for each task, the volume `data` stays. ZooKeeper keeps its membership in files beside zoo.cfg and
# rewrites zoo.cfg to name the newest of them, so zoo.cfg must live on the volume. The options of this start, though,
# stand in the sandbox's `zoo.cfg`. Hence: the new options, and the membership that the server itself wrote last.
set -eu
umask 077

mkdir -p data/conf
members=
if [ -f data/conf/zoo.cfg ]; then
  while IFS='=' read -r key value; do
    if [ "$key" = dynamicConfigFile ]; then members=${value##*/}; fi
  done <data/conf/zoo.cfg
fi

# A membership without this server is that of an ensemble it has not been added to yet, or has been removed from
# since: ZooKeeper would refuse to start on it. It joins (again) from what this task says. A pending change that it
# heard of back then is of no use either.
if [ -z "$members" ] || ! grep -q "^server\.$1=" "data/conf/$members" 2>/dev/null; then
  members=zoo.cfg.dynamic
  rm -f data/conf/zoo.cfg.dynamic.next
  cat members >"data/conf/$members.new"
  mv "data/conf/$members.new" "data/conf/$members"
fi

{ cat zoo.cfg; echo "dynamicConfigFile=./data/conf/$members"; } >data/conf/zoo.cfg.new
mv data/conf/zoo.cfg.new data/conf/zoo.cfg
