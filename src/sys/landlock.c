#include "sys/landlock.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#	define SYS_landlock_create_ruleset 444
#	define SYS_landlock_add_rule       445
#	define SYS_landlock_restrict_self  446
#endif

/* The kernel's own structures, of the newest ABI: the distribution's header knows the first only.
 */
struct ruleset_attr {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

struct path_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

struct port_attr {
	uint64_t allowed_access, port;
};

enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1, RULE_NET_PORT = 2 };

#define BIT(n)    (1ull << (n))
#define BELOW(n)  (BIT(n) - 1)
#define FILE_ONLY (BIT(0) | BIT(1) | BIT(2) | BIT(14) | BIT(15))

int landlock_abi(void)
{
	long r = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

	return r < 0 ? 0 : (int)r;
}

struct landlock_rights landlock_rights_of(int abi)
{
	struct landlock_rights r = { 0 };

	if (abi <= 0)
		return r;
	r.fs = abi >= 5 ? BELOW(16) : abi >= 3 ? BELOW(15) : abi >= 2 ? BELOW(14) : BELOW(13);
	r.net = abi >= 4 ? BELOW(2) : 0;
	r.scoped = abi >= 6 ? BELOW(2) : 0;
	return r;
}

int landlock_ruleset(const struct landlock_rights *handled)
{
	struct ruleset_attr attr = { handled->fs, handled->net, handled->scoped };
	/* An older kernel refuses a longer structure unless the rest is 0; a shorter one is always
	 * understood. */
	size_t size = attr.scoped               ? sizeof(attr)
	              : attr.handled_access_net ? 2 * sizeof(uint64_t)
	                                        : sizeof(uint64_t);
	long fd = syscall(SYS_landlock_create_ruleset, &attr, size, 0);

	return fd < 0 ? -errno : (int)fd;
}

int landlock_allow_path(int ruleset_fd, int path_fd, uint64_t access)
{
	struct path_attr attr = { .allowed_access = access, .parent_fd = path_fd };
	struct stat st;

	if (fstat(path_fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		attr.allowed_access &= FILE_ONLY;
	if (!attr.allowed_access)
		return 0;
	return syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PATH_BENEATH, &attr, 0) < 0 ? -errno
	                                                                                   : 0;
}

int landlock_allow_port(int ruleset_fd, uint64_t port, uint64_t access)
{
	struct port_attr attr = { access, port };

	if (!access)
		return 0;
	return syscall(SYS_landlock_add_rule, ruleset_fd, RULE_NET_PORT, &attr, 0) < 0 ? -errno : 0;
}

int landlock_restrict(int ruleset_fd, uint32_t flags)
{
	return syscall(SYS_landlock_restrict_self, ruleset_fd, flags) < 0 ? -errno : 0;
}
