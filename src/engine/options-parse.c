/* The values of options that have a small grammar of their own. */
#include <arpa/inet.h>
#include <signal.h>
#include <strings.h>

#include "base/num.h"
#include "base/xalloc.h"
#include "engine/options-internal.h"

static const struct {
	const char *name;
	enum restart_kind kind;
} restart_kinds[] = {
	{ "no", RESTART_NO },
	{ "on-failure", RESTART_ON_FAILURE },
	{ "always", RESTART_ALWAYS },
	{ "unless-stopped", RESTART_UNLESS_STOPPED },
};

int restart_policy_parse(const char *text, struct restart_policy *ret, struct err *err)
{
	const char *colon = text ? strchr(text, ':') : NULL;
	size_t len = !text ? 0 : colon ? (size_t)(colon - text) : strlen(text);
	struct restart_policy policy = { RESTART_NO, 0 };

	if (!len && !colon) {
		*ret = policy;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(restart_kinds); i++) {
		if (strlen(restart_kinds[i].name) != len ||
		    strncmp(restart_kinds[i].name, text, len))
			continue;
		policy.kind = restart_kinds[i].kind;
		if (colon && policy.kind != RESTART_ON_FAILURE)
			return err_set(err, E_INVALID,
			               "--restart '%s': a count is only for on-failure", text);
		if (colon && parse_u32(colon + 1, &policy.max_retries) < 0)
			return err_set(err, E_INVALID,
			               "--restart '%s': '%s' is not a count of retries", text,
			               colon + 1);
		*ret = policy;
		return 0;
	}
	err_set(err, E_INVALID, "--restart '%s': no such policy", text);
	return err_hint(err, "use no, on-failure[:MAX], always or unless-stopped");
}

static const char *const log_drivers[] = {
	[LOG_DRIVER_JSON_FILE] = "json-file",
	[LOG_DRIVER_K8S_FILE] = "k8s-file",
	[LOG_DRIVER_NONE] = "none",
};

const char *log_driver_name(enum log_driver driver)
{
	return log_drivers[driver];
}

static int log_option(const char *text, struct log_config *config, struct err *err)
{
	const char *eq = strchr(text, '=');
	size_t len = eq ? (size_t)(eq - text) : strlen(text);

	if (!eq)
		return err_set(err, E_INVALID, "--log-opt '%s': expected KEY=VALUE", text);
	if (len == strlen("max-size") && !strncmp(text, "max-size", len)) {
		if (!strcmp(eq + 1, "-1")) {
			config->max_size_bytes = 0;
			return 0;
		}
		if (parse_size(eq + 1, &config->max_size_bytes) < 0)
			return err_set(err, E_INVALID, "--log-opt '%s': '%s' is not a size", text,
			               eq + 1);
		return 0;
	}
	if (len == strlen("max-file") && !strncmp(text, "max-file", len)) {
		if (parse_u32(eq + 1, &config->max_files) < 0 || !config->max_files ||
		    config->max_files > 1000)
			return err_set(err, E_INVALID, "--log-opt '%s': expected 1 to 1000 files",
			               text);
		return 0;
	}
	/* "path" of other engines would let a container's output go to any file of the host */
	err_set(err, E_INVALID, "--log-opt '%s': unknown option", text);
	return err_hint(err, "known are max-size and max-file");
}

int log_config_parse(const struct container_options *opts, struct log_config *ret, struct err *err)
{
	struct log_config config = { .driver = LOG_DRIVER_JSON_FILE, .max_files = 1 };
	const char *name = opts->log_driver;

	if (name && *name) {
		size_t i = 0;

		while (i < ARRAY_LEN(log_drivers) && strcmp(name, log_drivers[i]))
			i++;
		if (i == ARRAY_LEN(log_drivers)) {
			err_set(err, E_INVALID, "--log-driver '%s': no such driver", name);
			return err_hint(err, "use json-file, k8s-file or none");
		}
		config.driver = (enum log_driver)i;
	}
	for (size_t i = 0; i < opts->log_opt.len; i++)
		if (log_option(opts->log_opt.items[i], &config, err) < 0)
			return -1;
	if (config.driver == LOG_DRIVER_NONE && opts->log_opt.len)
		return err_set(err, E_INVALID,
		               "--log-opt '%s': the none driver takes no options",
		               opts->log_opt.items[0]);
	if (config.max_files > 1 && !config.max_size_bytes) {
		err_set(err, E_INVALID, "--log-opt max-file=%u: useless without a max-size",
		        config.max_files);
		return err_hint(err, "add --log-opt max-size=10m");
	}
	*ret = config;
	return 0;
}

int network_choice_parse(const struct container_options *opts, bool rootless,
                         struct network_choice *ret, struct err *err)
{
	struct network_choice choice = { rootless ? NETWORK_NONE : NETWORK_BRIDGE, NULL };
	const char *text = opts->network.len ? opts->network.items[0] : "default";

	if (opts->network.len > 1)
		return err_set(err, E_UNSUPPORTED, "--network '%s': only one network is supported",
		               opts->network.items[1]);
	if (!strcmp(text, "none")) {
		choice.mode = NETWORK_NONE;
	} else if (!strcmp(text, "host")) {
		choice.mode = NETWORK_HOST;
	} else if (!strcmp(text, "bridge")) {
		choice.mode = NETWORK_BRIDGE;
	} else if (!strncmp(text, "container:", 10)) {
		if (!text[10])
			return err_set(err, E_INVALID, "--network '%s': no container is named",
			               text);
		choice = (struct network_choice){ NETWORK_CONTAINER, text + 10 };
	} else if (strcmp(text, "default") != 0) {
		err_set(err, E_NOT_FOUND, "--network '%s': no such network", text);
		return err_hint(err, "use none, host, bridge or container:ID");
	}
	if (rootless && choice.mode == NETWORK_BRIDGE) {
		err_set(err, E_PERM, "--network bridge: needs root");
		return err_hint(err, "use --network none or host, or run as root");
	}
	*ret = choice;
	return 0;
}

static const char *const protos[] = {
	[PORT_TCP] = "tcp",
	[PORT_UDP] = "udp",
	[PORT_SCTP] = "sctp",
};

const char *port_proto_name(enum port_proto proto)
{
	return protos[proto];
}

struct port_range {
	uint32_t first, last; /* 0, 0: none given */
	enum port_proto proto;
};

/* "80", "80-90". */
static int range_parse(const char *text, struct port_range *ret)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *dash = strchr(copy, '-');

	if (dash)
		*dash++ = '\0';
	if (parse_u32(copy, &ret->first) < 0 || ret->first > 65535)
		return -EINVAL;
	ret->last = ret->first;
	if (dash && (parse_u32(dash, &ret->last) < 0 || ret->last > 65535))
		return -EINVAL;
	return ret->last < ret->first ? -EINVAL : 0;
}

/* "80-90/udp". */
static int port_parse(const char *option, const char *whole, const char *text,
                      struct port_range *ret, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *slash = strchr(copy, '/');

	ret->proto = PORT_TCP;
	if (slash) {
		size_t i = 0;

		*slash++ = '\0';
		while (i < ARRAY_LEN(protos) && strcasecmp(slash, protos[i]) != 0)
			i++;
		if (i == ARRAY_LEN(protos))
			return err_set(err, E_INVALID, "%s '%s': no such protocol '%s'", option,
			               whole, slash);
		ret->proto = (enum port_proto)i;
	}
	if (range_parse(copy, ret) < 0 || !ret->first)
		return err_set(err, E_INVALID, "%s '%s': '%s' is not a port or range of ports",
		               option, whole, copy);
	return 0;
}

struct port_list {
	struct port_publish *items;
	size_t count;
};

static bool ports_have(const struct port_list *list, uint32_t port, enum port_proto proto)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].container_port == port && list->items[i].proto == proto)
			return true;
	return false;
}

/* The address before the ports: "1.2.3.4", "[::1]". */
static int host_ip_parse(const char *whole, const char *ip, char *ret /* 46 */, struct err *err)
{
	unsigned char addr[16];
	size_t len = strlen(ip);
	AUTO_FREE char *plain = NULL;

	if (len >= 2 && ip[0] == '[' && ip[len - 1] == ']')
		plain = xstrndup(ip + 1, len - 2);
	else
		plain = xstrdup(ip);
	if (inet_pton(AF_INET, plain, addr) != 1 && inet_pton(AF_INET6, plain, addr) != 1)
		return err_set(err, E_INVALID, "--publish '%s': '%s' is not an IP address", whole,
		               plain);
	snprintf(ret, 46, "%s", plain);
	return 0;
}

/* [[IP:]HOST:]CONTAINER[/PROTO], cut from the right because an IPv6 address has colons. */
static int publish_one(const char *whole, struct port_list *list, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(whole);
	char *container = strrchr(copy, ':');
	char *host = NULL;
	struct port_range ctr, hst = { 0 };
	struct port_publish p = { 0 };

	if (container) {
		*container++ = '\0';
		host = strrchr(copy, ':');
		if (host && !(copy[0] == '[' && copy[strlen(copy) - 1] == ']')) {
			*host++ = '\0';
			if (*copy && host_ip_parse(whole, copy, p.host_ip, err) < 0)
				return -1;
		} else if (strchr(copy, '.') || copy[0] == '[') {
			if (host_ip_parse(whole, copy, p.host_ip, err) < 0)
				return -1;
			host = NULL;
		} else {
			host = copy;
		}
	} else {
		container = copy;
	}
	if (port_parse("--publish", whole, container, &ctr, err) < 0)
		return -1;
	if (host && *host && range_parse(host, &hst) < 0)
		return err_set(err, E_INVALID, "--publish '%s': '%s' is not a port of the host",
		               whole, host);
	if (hst.first && hst.last - hst.first != ctr.last - ctr.first)
		return err_set(err, E_INVALID, "--publish '%s': the two ranges differ in length",
		               whole);
	p.proto = ctr.proto;
	for (uint32_t i = 0; i <= ctr.last - ctr.first; i++) {
		p.container_port = (uint16_t)(ctr.first + i);
		p.host_port = (uint16_t)(hst.first ? hst.first + i : 0);
		VEC_PUSH(list->items, list->count, p);
	}
	return 0;
}

static int expose_one(const char *text, bool publish, struct port_list *list, struct err *err)
{
	struct port_range range;

	if (port_parse("--expose", text, text, &range, err) < 0)
		return -1;
	for (uint32_t port = range.first; publish && port <= range.last; port++) {
		struct port_publish p = { .container_port = (uint16_t)port, .proto = range.proto };

		if (!ports_have(list, port, range.proto))
			VEC_PUSH(list->items, list->count, p);
	}
	return 0;
}

int port_publish_parse(const struct container_options *opts, const struct strv *exposed,
                       struct port_publish **ret, size_t *ret_count, struct err *err)
{
	struct port_list list = { 0 };
	AUTO_FREE struct port_publish *owned = NULL;

	for (size_t i = 0; i < opts->publish.len; i++) {
		int r = publish_one(opts->publish.items[i], &list, err);

		owned = list.items;
		if (r < 0)
			return -1;
	}
	for (size_t i = 0; i < opts->expose.len; i++) {
		int r = expose_one(opts->expose.items[i], opts->publish_all, &list, err);

		owned = list.items;
		if (r < 0)
			return -1;
	}
	for (size_t i = 0; exposed && opts->publish_all && i < exposed->len; i++) {
		int r = expose_one(exposed->items[i], true, &list, err);

		owned = list.items;
		if (r < 0)
			return -1;
	}
	*ret = TAKE_PTR(owned);
	*ret_count = list.count;
	return 0;
}

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "HUP", SIGHUP },     { "INT", SIGINT },     { "QUIT", SIGQUIT },     { "ILL", SIGILL },
	{ "TRAP", SIGTRAP },   { "ABRT", SIGABRT },   { "BUS", SIGBUS },       { "FPE", SIGFPE },
	{ "KILL", SIGKILL },   { "USR1", SIGUSR1 },   { "SEGV", SIGSEGV },     { "USR2", SIGUSR2 },
	{ "PIPE", SIGPIPE },   { "ALRM", SIGALRM },   { "TERM", SIGTERM },     { "STKFLT", SIGSTKFLT },
	{ "CHLD", SIGCHLD },   { "CONT", SIGCONT },   { "STOP", SIGSTOP },     { "TSTP", SIGTSTP },
	{ "TTIN", SIGTTIN },   { "TTOU", SIGTTOU },   { "URG", SIGURG },       { "XCPU", SIGXCPU },
	{ "XFSZ", SIGXFSZ },   { "VTALRM", SIGVTALRM }, { "PROF", SIGPROF },   { "WINCH", SIGWINCH },
	{ "IO", SIGIO },       { "PWR", SIGPWR },     { "SYS", SIGSYS },       { "IOT", SIGIOT },
	{ "POLL", SIGPOLL },   { "CLD", SIGCHLD },
};

/* The kernel's numbers: libc keeps the first two real-time signals for itself. */
#define KERNEL_RTMIN 34
#define KERNEL_RTMAX 64

int signal_parse(const char *text, int *ret_signal)
{
	uint32_t number;

	if (parse_u32(text, &number) == 0) {
		if (number < 1 || number > KERNEL_RTMAX)
			return -EINVAL;
		*ret_signal = (int)number;
		return 0;
	}
	if (!strncasecmp(text, "SIG", 3))
		text += 3;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (!strcasecmp(text, signals[i].name)) {
			*ret_signal = signals[i].number;
			return 0;
		}
	}
	if (!strncasecmp(text, "RTMIN", 5) || !strncasecmp(text, "RTMAX", 5)) {
		bool max = !strncasecmp(text, "RTMAX", 5);

		number = 0;
		if (text[5] && (text[5] != (max ? '-' : '+') || parse_u32(text + 6, &number) < 0))
			return -EINVAL;
		if (number > KERNEL_RTMAX - KERNEL_RTMIN)
			return -EINVAL;
		*ret_signal = max ? KERNEL_RTMAX - (int)number : KERNEL_RTMIN + (int)number;
		return 0;
	}
	return -EINVAL;
}

const char *signal_name(int signal)
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (signals[i].number == signal)
			return signals[i].name;
	return NULL;
}
