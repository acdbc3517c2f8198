/* What can be refused by looking at the options alone. */
#include <ctype.h>

#include "engine/disk-quota.h"
#include "engine/mounts-parse.h"
#include "engine/options-internal.h"
#include "engine/spec-internal.h"
#include "net/files.h"
#include "net/port.h"

static bool name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > 253 || !isalnum((unsigned char)name[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i]))
			return false;
	return true;
}

static int check_identity(const struct container_options *o, struct err *err)
{
	if (o->name && !name_is_valid(o->name)) {
		err_set(err, E_INVALID, "--name '%s': not a container name", o->name);
		return err_hint(err, "use [a-zA-Z0-9][a-zA-Z0-9_.-]*");
	}
	for (size_t i = 0; i < o->label.len; i++)
		if (!*o->label.items[i] || *o->label.items[i] == '=')
			return err_set(err, E_INVALID, "--label '%s': expected KEY=VALUE",
			               o->label.items[i]);
	for (size_t i = 0; i < o->annotation.len; i++) {
		const char *eq = strchr(o->annotation.items[i], '=');

		if (!eq || eq == o->annotation.items[i])
			return err_set(err, E_INVALID, "--annotation '%s': expected KEY=VALUE",
			               o->annotation.items[i]);
	}
	return 0;
}

static int check_words(const struct container_options *o, struct err *err)
{
	static const char *const streams[] = { "stdin", "stdout", "stderr" };
	static const char *const pulls[] = { "missing", "always", "never" };
	size_t k = 0;

	for (size_t i = 0; i < o->attach.len; i++) {
		for (k = 0; k < ARRAY_LEN(streams); k++)
			if (!strcasecmp(o->attach.items[i], streams[k]))
				break;
		if (k == ARRAY_LEN(streams))
			return err_set(err, E_INVALID,
			               "--attach '%s': expected stdin, stdout or stderr",
			               o->attach.items[i]);
	}
	if (o->attach.len && o->detach)
		return err_set(err, E_INVALID, "--attach contradicts --detach");
	for (k = 0; o->pull && k < ARRAY_LEN(pulls); k++)
		if (!strcmp(o->pull, pulls[k]))
			break;
	if (o->pull && k == ARRAY_LEN(pulls))
		return err_set(err, E_INVALID, "--pull '%s': expected missing, always or never",
		               o->pull);
	return 0;
}

static int check_lifecycle(const struct container_options *o, struct err *err)
{
	struct restart_policy restart;
	struct log_config log;
	int sig;

	if (restart_policy_parse(o->restart, &restart, err) < 0 ||
	    log_config_parse(o, &log, err) < 0)
		return -1;
	if (o->rm && restart.kind != RESTART_NO)
		return err_set(err, E_INVALID, "--rm contradicts --restart '%s'", o->restart);
	if (o->stop_signal && signal_parse(o->stop_signal, &sig) < 0)
		return err_set(err, E_INVALID, "--stop-signal '%s': no such signal",
		               o->stop_signal);
	if (o->stop_timeout_s != STOP_TIMEOUT_UNSET && o->stop_timeout_s < -1)
		return err_set(err, E_INVALID, "--stop-timeout %lld: -1 is for ever",
		               (long long)o->stop_timeout_s);
	return 0;
}

static int check_each(const char *option, const struct strv *values,
                      int (*check)(const char *value, struct err *err), struct err *err)
{
	for (size_t i = 0; i < values->len; i++)
		if (check(values->items[i], err) < 0)
			return err_ctx(err, "%s", option);
	return 0;
}

static int check_network(const struct container_options *o, bool rootless, struct err *err)
{
	struct net_ports ports = NET_PORTS_INIT;
	struct network_choice network;
	int r = 0;

	if (network_choice_parse(o, rootless, &network, err) < 0 ||
	    check_each("--dns", &o->dns, net_dns_check, err) < 0 ||
	    check_each("--dns-search", &o->dns_search, net_dns_search_check, err) < 0 ||
	    check_each("--dns-option", &o->dns_option, net_dns_option_check, err) < 0 ||
	    check_each("--add-host", &o->add_host, net_add_host_check, err) < 0)
		return -1;
	for (size_t i = 0; r == 0 && i < o->publish.len; i++)
		r = net_ports_parse(&ports, o->publish.items[i], err);
	for (size_t i = 0; r == 0 && i < o->expose.len; i++)
		r = net_ports_parse_exposed(&ports, o->expose.items[i], err);
	if (r == 0)
		r = net_ports_check(&ports, err);
	net_ports_done(&ports);
	if (r < 0)
		return -1;
	if (network.mode == NETWORK_BRIDGE)
		return 0;
	if (o->publish.len || o->publish_all)
		return err_set(err, E_INVALID, "--publish needs --network bridge");
	if (o->ip || o->mac_address)
		return err_set(err, E_INVALID, "--%s needs --network bridge",
		               o->ip ? "ip" : "mac-address");
	if (network.mode != NETWORK_CONTAINER)
		return 0;
	if (o->hostname)
		return err_set(err, E_INVALID, "--hostname contradicts --network '%s'",
		               o->network.items[0]);
	if (o->dns.len || o->dns_search.len || o->dns_option.len || o->add_host.len)
		return err_set(err, E_INVALID, "--dns and --add-host contradict --network '%s'",
		               o->network.items[0]);
	return 0;
}

static int check_files(const struct container_options *o, struct err *err)
{
	AUTO_MOUNTS mounts = { 0 };

	if (mount_requests_parse(o, NULL, &mounts, err) < 0)
		return -1;
	if (disk_quota_parse(&o->storage_opt, &(struct disk_quota){ 0 }, err) < 0)
		return -1;
	if (o->workdir && *o->workdir != '/')
		return err_set(err, E_INVALID, "--workdir '%s': must be an absolute path",
		               o->workdir);
	if (o->read_only_tmpfs && !o->read_only)
		return err_set(err, E_INVALID, "--read-only-tmpfs needs --read-only");
	if (o->cgroup_parent && (*o->cgroup_parent != '/' || strstr(o->cgroup_parent, "..")))
		return err_set(err, E_INVALID, "--cgroup-parent '%s': expected an absolute path",
		               o->cgroup_parent);
	return 0;
}

int container_options_check(const struct container_options *opts, bool rootless, struct err *err)
{
	static int (*const checks[])(const struct container_options *, struct err *) = {
		check_identity, check_words,   check_lifecycle, check_files,
		caps_check,     ulimits_check, devices_check,   namespaces_check,
		security_check, sysctls_check, limits_check,
	};

	for (size_t i = 0; i < OPTIONS_REFUSED_MAX; i++)
		if (opts->refused[i])
			return err_set(err, E_UNSUPPORTED, "option --%s is not supported",
			               options_refused_name(i));
	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		if (checks[i](opts, err) < 0)
			return -1;
	return check_network(opts, rootless, err);
}
