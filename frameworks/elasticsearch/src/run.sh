# `sh run.sh prepare` makes the configuration of this start, `sh run.sh start` becomes the node.
#
# The archive is shared with other sandboxes and stays as it is: its configuration is copied, and what the framework
# decides replaces the rest.
set -eu
umask 027

home=
for file in "$PWD"/*/bin/elasticsearch "$PWD"/*/bin/opensearch; do
  if [ -f "$file" ]; then home=${file%/bin/*} name=${file##*/}; fi
done
if [ -z "$home" ]; then
  echo "the distribution has no folder NAME/bin with elasticsearch or opensearch" >&2
  exit 1
fi

if [ "$1" = prepare ]; then
  mkdir -p conf/jvm.options.d data/node tmp logs
  # What sandboxes share is read-only.
  cp -R "$home/config/." conf/
  chmod -R u+w conf
  # What is written anywhere but to standard output and the volume, and the collector: jvm.options has both.
  sed -e '/-Xlog/d' -e '/-Xloggc/d' -e '/ErrorFile/d' -e '/GCDetails/d' -e '/UseG1GC/d' -e '/UseConcMarkSweepGC/d' \
    -e '/CMSInitiatingOccupancy/d' -e '/G1ReservePercent/d' -e '/InitiatingHeapOccupancyPercent/d' \
    "$home/config/jvm.options" >conf/jvm.options
  { cat jvm.options; echo "-XX:HeapDumpPath=$PWD/logs"; } >conf/jvm.options.d/cairn.options
  cp log4j2.properties conf/log4j2.properties
  # Names of the nodes that found the cluster, for as long as it does not exist.
  cat node.yml addresses.yml founders >"conf/$name.yml"
  cat >>"conf/$name.yml" <<END
path.data: $(cd data/node && pwd -P)
path.logs: $PWD/logs
END
  cp seeds conf/unicast_hosts.txt
  exit
fi

# Where `java` really is: the start script wants its directory.
java=$(readlink -f "$(command -v java)")
unset JAVA_HOME
export ES_JAVA_HOME="${java%/bin/java}" ES_PATH_CONF="$PWD/conf" ES_TMPDIR="$PWD/tmp"
export OPENSEARCH_JAVA_HOME="$ES_JAVA_HOME" OPENSEARCH_PATH_CONF="$ES_PATH_CONF" OPENSEARCH_TMPDIR="$ES_TMPDIR"
# Elasticsearch 8 is started by a JVM of its own, which stays.
export CLI_JAVA_OPTS="-Xms4m -Xmx64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData"
exec "$home/bin/$name"
