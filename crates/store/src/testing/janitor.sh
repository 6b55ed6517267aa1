# Stops the shared test server in the data directory $1 once no test process uses it.
#
# The locks are those of the private cluster: users.lock is held (shared) by whoever uses the
# server, cluster.lock by whoever starts or stops it. Only one janitor works at a time.
cd "$1" || exit 1
exec 7>janitor.lock
flock -n 7 || exit 0
while sleep 5; do
    exec 8>cluster.lock
    flock -w 60 8 || continue
    exec 9>users.lock
    if flock -n 9; then
        read -r pid <postgres/postmaster.pid || exit 0
        # The number may be stale and belong to anybody by now.
        grep -zqxF "$1/postgres" "/proc/$pid/cmdline" || exit 0
        kill -INT "$pid"
        tries=0
        while kill -0 "$pid" && [ "$tries" -lt 300 ]; do
            sleep 0.1
            tries=$((tries + 1))
        done
        exit 0
    fi
    exec 8>&- 9>&-
done
