# Whether Flume has said each of the words given, in the log of this run.
for words; do
  grep -qF "Component type: $words" stdout || { echo "not yet: $words" >&2; exit 1; }
done
