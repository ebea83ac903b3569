# Runs in the sandbox before every start: $1 is the task's address, $2 its port, $3 the sandbox.
set -eu
umask 077

sed -e "s|@ADDRESS@|$1|g" -e "s|@PORT@|$2|g" -e "s|@SANDBOX@|$3|g" conf/application.properties >conf/new
mv conf/new conf/application.properties
