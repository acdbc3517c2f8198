/* The values of options that have a small grammar of their own. */
#include <errno.h>
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
		return err_set(err, E_INVALID, "--log-opt '%s': the none driver takes no options",
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

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "HUP", SIGHUP },   { "INT", SIGINT },       { "QUIT", SIGQUIT }, { "ILL", SIGILL },
	{ "TRAP", SIGTRAP }, { "ABRT", SIGABRT },     { "BUS", SIGBUS },   { "FPE", SIGFPE },
	{ "KILL", SIGKILL }, { "USR1", SIGUSR1 },     { "SEGV", SIGSEGV }, { "USR2", SIGUSR2 },
	{ "PIPE", SIGPIPE }, { "ALRM", SIGALRM },     { "TERM", SIGTERM }, { "STKFLT", SIGSTKFLT },
	{ "CHLD", SIGCHLD }, { "CONT", SIGCONT },     { "STOP", SIGSTOP }, { "TSTP", SIGTSTP },
	{ "TTIN", SIGTTIN }, { "TTOU", SIGTTOU },     { "URG", SIGURG },   { "XCPU", SIGXCPU },
	{ "XFSZ", SIGXFSZ }, { "VTALRM", SIGVTALRM }, { "PROF", SIGPROF }, { "WINCH", SIGWINCH },
	{ "IO", SIGIO },     { "PWR", SIGPWR },       { "SYS", SIGSYS },   { "IOT", SIGIOT },
	{ "POLL", SIGPOLL }, { "CLD", SIGCHLD },
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
