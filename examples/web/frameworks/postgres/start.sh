#!/bin/sh
# start.sh USER DATABASE ADDRESS PORT BUFFERS_MB: a PostgreSQL server whose data is in data/db.
#
# Data is made once, beside its final place, so that a first start that is cut off begins anew. Later starts use the
# version that the data was made with, whatever else has been installed since.
set -eu
user=$1 database=$2 address=$3 port=$4 buffers=$5

if [ ! -s data/db/PG_VERSION ]; then
  bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin | sort -V | tail -n 1)
  rm -rf data/new
  "$bin/initdb" -D data/new -U "$user" --pwfile=password -A scram-sha-256 -E UTF8 --locale=C.UTF-8
  echo "CREATE DATABASE $database OWNER $user" | "$bin/postgres" --single -D data/new postgres
  printf 'host all all 0.0.0.0/0 scram-sha-256\n' >>data/new/pg_hba.conf
  mv data/new data/db
fi

# SIGINT is PostgreSQL's fast shutdown; SIGTERM, with which tasks are stopped, would wait for the last client.
"/usr/lib/postgresql/$(cat data/db/PG_VERSION)/bin/postgres" -D data/db -h "$address" -p "$port" \
  -c unix_socket_directories= -c shared_buffers="${buffers}MB" -c max_connections=40 &
server=$!
trap 'kill -INT $server' TERM INT
# The first wait ends with the signal, the second with the server.
wait $server || wait $server
