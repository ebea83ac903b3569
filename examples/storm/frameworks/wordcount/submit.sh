#!/bin/sh
# submit.sh STORM ARGUMENTS...: compiles WordCount.java, packs it, and runs it with these arguments, which submits it.
set -eu
storm=$1
shift
rm -rf classes
java -Xmx96m -jar "$storm"/lib/ecj-*.jar -17 -nowarn -d classes -cp "$(echo "$storm"/lib/*.jar | tr ' ' ':')" WordCount.java
(cd classes && python3 -m zipfile -c ../topology.jar ./*.class)
exec java -Xmx96m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dstorm.jar=topology.jar -Dstorm.dependency.jars= \
  -cp "conf:topology.jar:$storm/lib/*" WordCount "$@"
