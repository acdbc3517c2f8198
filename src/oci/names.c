#include "oci/names.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/macro.h"
#include "base/num.h"

/* clang-format off */
static const char *const cap_names[OCI_CAP_LAST + 1] = {
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID",
	"CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK",
	"CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE",
	"CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
	"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
	"CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

static const struct { const char *name; int resource; } rlimits[] = {
	{ "RLIMIT_AS", RLIMIT_AS }, { "RLIMIT_CORE", RLIMIT_CORE }, { "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA }, { "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS }, { "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE }, { "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE }, { "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS }, { "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME }, { "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

static const struct { const char *name; int number; } signals[] = {
	{ "SIGHUP", SIGHUP }, { "SIGINT", SIGINT }, { "SIGQUIT", SIGQUIT }, { "SIGILL", SIGILL },
	{ "SIGTRAP", SIGTRAP }, { "SIGABRT", SIGABRT }, { "SIGIOT", SIGIOT }, { "SIGBUS", SIGBUS },
	{ "SIGFPE", SIGFPE }, { "SIGKILL", SIGKILL }, { "SIGUSR1", SIGUSR1 },
	{ "SIGSEGV", SIGSEGV }, { "SIGUSR2", SIGUSR2 }, { "SIGPIPE", SIGPIPE },
	{ "SIGALRM", SIGALRM }, { "SIGTERM", SIGTERM }, { "SIGSTKFLT", SIGSTKFLT },
	{ "SIGCHLD", SIGCHLD }, { "SIGCLD", SIGCHLD }, { "SIGCONT", SIGCONT },
	{ "SIGSTOP", SIGSTOP }, { "SIGTSTP", SIGTSTP }, { "SIGTTIN", SIGTTIN },
	{ "SIGTTOU", SIGTTOU }, { "SIGURG", SIGURG }, { "SIGXCPU", SIGXCPU },
	{ "SIGXFSZ", SIGXFSZ }, { "SIGVTALRM", SIGVTALRM }, { "SIGPROF", SIGPROF },
	{ "SIGWINCH", SIGWINCH }, { "SIGIO", SIGIO }, { "SIGPOLL", SIGIO }, { "SIGPWR", SIGPWR },
	{ "SIGSYS", SIGSYS },
};
/* clang-format on */

/* strcasecmp's five variants and its locale are 35 KB of a static program. */
static bool starts_nocase(const char *text, const char *prefix)
{
	for (; *prefix; text++, prefix++) {
		char a = *text >= 'a' && *text <= 'z' ? (char)(*text - 32) : *text;
		char b = *prefix >= 'a' && *prefix <= 'z' ? (char)(*prefix - 32) : *prefix;

		if (a != b)
			return false;
	}
	return true;
}

static bool equals_nocase(const char *a, const char *b)
{
	return strlen(a) == strlen(b) && starts_nocase(a, b);
}

int oci_cap_number(const char *name)
{
	if (starts_nocase(name, "CAP_"))
		name += 4;
	for (int i = 0; i <= OCI_CAP_LAST; i++)
		if (equals_nocase(cap_names[i] + 4, name))
			return i;
	return -1;
}

const char *oci_cap_name(int number)
{
	return number >= 0 && number <= OCI_CAP_LAST ? cap_names[number] : NULL;
}

int oci_rlimit_resource(const char *name)
{
	if (starts_nocase(name, "RLIMIT_"))
		name += 7;
	for (size_t i = 0; i < ARRAY_LEN(rlimits); i++)
		if (equals_nocase(rlimits[i].name + 7, name))
			return rlimits[i].resource;
	return -1;
}

const char *oci_rlimit_name(int resource)
{
	for (size_t i = 0; i < ARRAY_LEN(rlimits); i++)
		if (rlimits[i].resource == resource)
			return rlimits[i].name;
	return NULL;
}

/* "RTMIN", "RTMIN+n", "RTMAX", "RTMAX-n" as the kernel and docker number them: 34 to 64. */
static int realtime_signal(const char *name)
{
	bool from_max = starts_nocase(name, "RTMAX");
	uint32_t n = 0;

	if (!from_max && !starts_nocase(name, "RTMIN"))
		return -1;
	name += 5;
	if (*name) {
		if (*name != (from_max ? '-' : '+') || parse_u32(name + 1, &n) < 0 || n > 30)
			return -1;
	}
	return from_max ? 64 - (int)n : 34 + (int)n;
}

int oci_signal_number(const char *name)
{
	uint32_t n;

	if (parse_u32(name, &n) == 0)
		return n <= 64 ? (int)n : -1;
	if (starts_nocase(name, "SIG"))
		name += 3;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (equals_nocase(signals[i].name + 3, name))
			return signals[i].number;
	return realtime_signal(name);
}

const char *oci_signal_name(int number)
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (signals[i].number == number)
			return signals[i].name;
	return NULL;
}
