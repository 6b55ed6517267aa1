# Runs the PostgreSQL of the cluster $2/data with the programs in $1 until the input closes. That happens at the
# latest when the test that asked for it is gone, however it ended.
if ! "$1/pg_ctl" --wait --timeout=120 -D "$2/data" -l "$2/log" start >"$2/pg_ctl"; then
    cat "$2/pg_ctl" "$2/log"
    exit 1
fi
# Nobody may be listening any more.
trap '' PIPE
echo ready 2>/dev/null
read -r _
"$1/pg_ctl" --wait --mode=fast -D "$2/data" stop >"$2/pg_ctl"
# The directory itself may be in one that only the test's own user can change.
rm -rf "$2/data" "$2/log" "$2/pg_ctl" || true
rmdir "$2" 2>/dev/null
exit 0
