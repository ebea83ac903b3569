# Leaves the ring for good. Everything it holds goes to the other nodes; the mark it leaves says that what remains on its
# volume is of no use to anybody (see prepare.sh). Asked again, it says again that it is done.
set -e
mode() { sh nodetool.sh netstats | sed -n 's/^Mode: //p'; }
if [ "$(mode)" != DECOMMISSIONED ]; then
  sh nodetool.sh decommission
  [ "$(mode)" = DECOMMISSIONED ]
fi
touch data/left
