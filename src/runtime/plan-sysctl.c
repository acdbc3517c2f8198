/* linux.sysctl: which keys a container may set, and the files they are. */
#include "runtime/plan.h"

#include "base/xalloc.h"

/* linux.sysctl: only what belongs to a namespace of the container's own. */
static bool sysctl_is_allowed(const struct oci_linux *l, const char *key)
{
	static const char *const ipc[] = { "kernel.msgmax", "kernel.msgmnb",
		                           "kernel.msgmni", "kernel.sem",
		                           "kernel.shmall", "kernel.shmmax",
		                           "kernel.shmmni", "kernel.shm_rmid_forced" };
	bool new_net = l->ns[OCI_NS_NETWORK].wanted, new_ipc = l->ns[OCI_NS_IPC].wanted;

	if (strncmp(key, "net.", 4) == 0 || strncmp(key, "net/", 4) == 0)
		return new_net;
	if (strncmp(key, "fs.mqueue.", 10) == 0)
		return new_ipc;
	if (strcmp(key, "kernel.domainname") == 0 || strcmp(key, "kernel.hostname") == 0)
		return l->ns[OCI_NS_UTS].wanted && strcmp(key, "kernel.domainname") == 0;
	for (size_t i = 0; i < ARRAY_LEN(ipc); i++)
		if (strcmp(key, ipc[i]) == 0)
			return new_ipc;
	return false;
}

int plan_check_sysctls(const struct oci_linux *l, struct err *err)
{
	for (size_t i = 0; i < l->n_sysctl; i++) {
		const char *key = l->sysctl[i].key;

		if (strstr(key, "..") || !sysctl_is_allowed(l, key))
			return err_set(err, E_PERM,
			               "linux.sysctl: '%s' is not separate for the container, or "
			               "its namespace is shared",
			               key);
	}
	return 0;
}

int plan_check_names(const struct oci_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->linux_.n_sysctl; i++) {
		const struct oci_keyval *kv = &spec->linux_.sysctl[i];

		if (spec->domainname && strcmp(kv->key, "kernel.domainname") == 0 &&
		    strcmp(kv->value, spec->domainname) != 0)
			return err_set(err, E_INVALID,
			               "linux.sysctl: kernel.domainname is '%s', but domainname is "
			               "'%s'",
			               kv->value, spec->domainname);
	}
	return 0;
}

int plan_check_shared_net(const struct oci_linux *l, struct err *err)
{
	for (size_t i = 0; i < l->n_sysctl; i++)
		if (strncmp(l->sysctl[i].key, "net", 3) == 0)
			return err_set(err, E_PERM,
			               "linux.sysctl: '%s' would be set for the host, whose "
			               "network namespace is joined",
			               l->sysctl[i].key);
	return 0;
}

char *plan_sysctl_path(const char *key)
{
	char *path = xstrdup(key);

	/* "net/ipv4/conf/eth0.1/..." keeps its dots when written with slashes. */
	if (!strchr(path, '/'))
		for (char *p = path; *p; p++)
			if (*p == '.')
				*p = '/';
	return path;
}
