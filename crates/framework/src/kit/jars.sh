# Runs in the sandbox before every start, in which the archive is unpacked as NAME/lib or NAME/libs: makes it `lib`, whatever
# NAME is. $1 is the service, for people.
set -eu

found=
for dir in */lib */libs; do
  if [ -d "$dir" ]; then found=$dir; fi
done
if [ -z "$found" ]; then
  echo "the distribution has no folder NAME/lib with the jars of $1" >&2
  exit 1
fi
ln -sfn "$found" lib
