/* Addresses and ports of containers that died unseen: a killed monitor, a start that was cut
 * short. Looked for only when somebody wants what they hold, so that an ordinary start does not
 * pay. */
#include "engine/engine-internal.h"
#include "engine/launch-internal.h"
#include "net/net.h"

/* Return 1 when the container turned out to be dead and what it had was given back. */
static int free_if_dead(struct engine *e, struct net *net, const char *id)
{
	struct container_row row __attribute__((cleanup(container_row_done))) = { 0 };
	struct err err = ERR_INIT;
	AUTO_FD lock = container_lock(e, id, true, &err);
	bool removed = false;

	if (lock < 0 && err.code != E_NOT_FOUND)
		return 0; /* somebody works on it: being started, most likely */
	if (record_load(e, id, &row, &err) < 0) {
		if (err.code != E_NOT_FOUND)
			return 0;
	} else if (settle_locked(e, &row, &removed, ERR_IGNORE) < 0 ||
	           row.status == CONTAINER_RUNNING || row.status == CONTAINER_PAUSED) {
		return 0;
	}
	return net_teardown(net, id, ERR_IGNORE) == 0;
}

int launch_free_stale_addresses(struct engine *e, struct net *net)
{
	AUTO_STRV ids = STRV_INIT;
	int freed = 0;

	if (net_users(net, &ids, ERR_IGNORE) < 0)
		return 0;
	for (size_t i = 0; i < ids.len; i++)
		freed += free_if_dead(e, net, ids.items[i]);
	return freed;
}
