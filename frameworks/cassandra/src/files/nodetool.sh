# The node's own nodetool: sh nodetool.sh COMMAND …
exec java -Xmx64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData @jdk.options \
  -Dlogback.configurationFile=logback-tools.xml -Duser.home=. -cp 'lib/*' \
  org.apache.cassandra.tools.NodeTool -h "$(cut -d: -f1 jmx)" -p "$(cut -d: -f2 jmx)" "$@"
