#include "net/net.h"

int net_open(struct db *db, const struct net_options *options, struct net **ret, struct err *err)
{
	return err_set(err, E_UNSUPPORTED, "the bridge network is not built in yet");
}

void net_free(struct net *net)
{
}

void net_root_tag(const char *root_path, bool is_default, char ret_tag[NET_TAG_LEN + 1])
{
	/* FNV-1a: the tag only has to differ between the few roots of one machine */
	uint32_t hash = 2166136261u;

	ret_tag[0] = '\0';
	if (is_default)
		return;
	for (const char *p = root_path; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	hash ^= hash >> 24;
	snprintf(ret_tag, NET_TAG_LEN + 1, "%06x", hash & 0xffffff);
}

void net_result_done(struct net_result *result)
{
	for (size_t i = 0; i < result->hold_fds_len; i++)
		close(result->hold_fds[i]);
	free(result->hold_fds);
	net_ports_done(&result->ports);
	*result = NET_RESULT_INIT;
}

int net_setup(struct net *net, const struct net_request *request, struct net_result *ret,
              struct err *err)
{
	return err_set(err, E_UNSUPPORTED, "the bridge network is not built in yet");
}

int net_teardown(struct net *net, const char *container_id, struct err *err)
{
	return 0;
}

int net_sweep(struct net *net, char *const *live_ids, struct err *err)
{
	return 0;
}

int net_reload(struct net *net, struct err *err)
{
	return err_set(err, E_UNSUPPORTED, "the bridge network is not built in yet");
}

int net_lookup(struct net *net, const char *container_id, struct net_result *ret, struct err *err)
{
	return err_set(err, E_NOT_FOUND, "container '%s' has no address", container_id);
}

int net_list_ports(struct net *net, const char *container_id, struct net_ports *ret,
                   struct err *err)
{
	return 0;
}
