/* The monitor's arguments: KEY=VALUE, written by the engine (monitor-start.c) and by nobody else.
 */
#include "monitor.h"

#include <string.h>

enum key_kind { KEY_TEXT, KEY_FD, KEY_U64, KEY_U32, KEY_BOOL, KEY_DRIVER };

static const struct key {
	const char *name;
	enum key_kind kind;
	size_t offset;
} keys[] = {
	{ "id", KEY_TEXT, offsetof(struct monitor, id) },
	{ "root", KEY_TEXT, offsetof(struct monitor, root) },
	{ "runroot", KEY_TEXT, offsetof(struct monitor, runroot) },
	{ "program", KEY_TEXT, offsetof(struct monitor, program) },
	{ "pid", KEY_U32, offsetof(struct monitor, pid) },
	{ "start", KEY_U64, offsetof(struct monitor, start_ticks) },
	{ "pidfd", KEY_FD, offsetof(struct monitor, pidfd) },
	{ "stdin", KEY_FD, offsetof(struct monitor, stdin_fd) },
	{ "stdout", KEY_FD, offsetof(struct monitor, out_fd[0]) },
	{ "stderr", KEY_FD, offsetof(struct monitor, out_fd[1]) },
	{ "listen", KEY_FD, offsetof(struct monitor, listen_fd) },
	{ "client", KEY_FD, offsetof(struct monitor, first_client_fd) },
	{ "done", KEY_FD, offsetof(struct monitor, done_fd) },
	{ "dir", KEY_FD, offsetof(struct monitor, container_dir_fd) },
	{ "oom", KEY_FD, offsetof(struct monitor, oom_fd) },
	{ "tty", KEY_BOOL, offsetof(struct monitor, tty) },
	{ "stdin-once", KEY_BOOL, offsetof(struct monitor, stdin_once) },
	{ "sync", KEY_BOOL, offsetof(struct monitor, sync) },
	{ "client-cleans", KEY_BOOL, offsetof(struct monitor, client_cleans) },
	{ "log", KEY_DRIVER, offsetof(struct monitor, log.kind) },
	{ "log-max-bytes", KEY_U64, offsetof(struct monitor, log.max_bytes) },
	{ "log-max-files", KEY_U32, offsetof(struct monitor, log.max_files) },
};

static bool driver_parse(const char *s, enum log_format_kind *ret)
{
	if (strcmp(s, "json-file") == 0)
		*ret = LOG_JSON_FILE;
	else if (strcmp(s, "k8s-file") == 0)
		*ret = LOG_K8S_FILE;
	else if (strcmp(s, "none") == 0)
		*ret = LOG_NONE;
	else
		return false;
	return true;
}

static bool key_set(struct monitor *m, const struct key *key, const char *value)
{
	char *field = (char *)m + key->offset;
	uint64_t v = 0;

	switch (key->kind) {
	case KEY_TEXT:
		*(const char **)(void *)field = value;
		return true;
	case KEY_DRIVER:
		return driver_parse(value, (enum log_format_kind *)(void *)field);
	case KEY_FD:
	case KEY_U32:
		if (!text_parse_u64(value, &v) || v > INT32_MAX)
			return false;
		*(int *)(void *)field = (int)v;
		return true;
	case KEY_U64:
		return text_parse_u64(value, (uint64_t *)(void *)field);
	case KEY_BOOL:
		*(bool *)field = strcmp(value, "1") == 0;
		return true;
	}
	return false;
}

bool config_parse(struct monitor *m, int argc, char **argv)
{
	*m = (struct monitor){
		.pidfd = -1,
		.stdin_fd = -1,
		.out_fd = { -1, -1 },
		.slave_fd = -1,
		.listen_fd = -1,
		.first_client_fd = -1,
		.done_fd = -1,
		.container_dir_fd = -1,
		.oom_fd = -1,
		.epoll_fd = -1,
		.log = { .fd = -1, .max_files = 1 },
	};
	for (int i = 1; i < argc; i++) {
		const char *equals = strchr(argv[i], '=');
		size_t k;

		if (!equals)
			return false;
		for (k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			if (strlen(keys[k].name) == (size_t)(equals - argv[i]) &&
			    strncmp(keys[k].name, argv[i], (size_t)(equals - argv[i])) == 0)
				break;
		if (k == sizeof(keys) / sizeof(keys[0]) || !key_set(m, &keys[k], equals + 1))
			return false;
	}
	m->log.dir_fd = m->container_dir_fd;
	return m->id && m->root && m->runroot && m->program && m->pidfd >= 0 &&
	       m->container_dir_fd >= 0;
}
