/* hello: the program of the image that comes with dhow. It shows, from inside, what separates the
 * container from the machine. It uses no C library and allocates nothing. */
#include "sys.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

#define WIDTH     80
#define LABEL     15 /* column of the values */
#define FILE_MAX  8191
#define VALUE_MAX 1024

/* ---- text ---- */

/* gcc may call these two whatever the flags */
void *memset(void *p, int c, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n);

void *memset(void *p, int c, size_t n)
{
	for (volatile char *q = p; n; n--)
		*q++ = (char)c;
	return p;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	volatile char *t = to;

	for (const char *f = from; n; n--)
		*t++ = *f++;
	return to;
}

struct text {
	size_t len;
	char s[VALUE_MAX];
};

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

static void add_part(struct text *t, const char *s, size_t n)
{
	for (size_t i = 0; i < n && t->len + 1 < sizeof(t->s); i++)
		t->s[t->len++] = s[i];
	t->s[t->len] = '\0';
}

static void add(struct text *t, const char *s)
{
	add_part(t, s, length(s));
}

static void add_number(struct text *t, uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	add_part(t, digits + n, sizeof(digits) - n);
}

static void add_list_item(struct text *t, const char *s)
{
	if (t->len)
		add(t, " ");
	add(t, s);
}

static bool starts_with(const char *s, const char *prefix)
{
	while (*prefix) {
		if (*s++ != *prefix++)
			return false;
	}
	return true;
}

static const char *skip_blanks(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

static const char *next_line(const char *s)
{
	while (*s && *s != '\n')
		s++;
	return *s ? s + 1 : s;
}

static const char *next_word(const char *s)
{
	while (*s && *s != ' ' && *s != '\t' && *s != '\n')
		s++;
	return skip_blanks(s);
}

static uint64_t number(const char *s, unsigned base)
{
	uint64_t v = 0;

	for (s = skip_blanks(s);; s++) {
		unsigned digit;

		if (*s >= '0' && *s <= '9')
			digit = (unsigned)(*s - '0');
		else if (base == 16 && *s >= 'a' && *s <= 'f')
			digit = (unsigned)(*s - 'a' + 10);
		else
			return v;
		v = v * base + digit;
	}
}

/* ---- files ---- */

static char file[FILE_MAX + 1];

/* The whole file (its first FILE_MAX bytes) in `file`; "" when it cannot be read. */
static const char *slurp(const char *path)
{
	size_t len = 0;
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC), n;

	file[0] = '\0';
	if (fd < 0)
		return file;
	while (len < FILE_MAX && (n = sys_read((int)fd, file + len, FILE_MAX - len)) > 0)
		len += (size_t)n;
	file[len] = '\0';
	sys_close((int)fd);
	return file;
}

/* The value after "Name:" in /proc/self/status, which must be in `file`. */
static const char *status_field(const char *name)
{
	for (const char *line = file; *line; line = next_line(line)) {
		if (starts_with(line, name) && line[length(name)] == ':')
			return skip_blanks(line + length(name) + 1);
	}
	return "";
}

/* ---- output ---- */

static struct {
	size_t len;
	char s[8192];
} out;

static void put_part(const char *s, size_t n)
{
	for (size_t i = 0; i < n && out.len < sizeof(out.s); i++)
		out.s[out.len++] = s[i];
}

static void put(const char *s)
{
	put_part(s, length(s));
}

static void indent(size_t column, size_t to)
{
	for (; column < to; column++)
		put(" ");
}

static bool color;

/* "  label        value", the value broken at blanks to fit the width. */
static void row(const char *label, const struct text *value)
{
	const char *word = value->s;
	size_t column = LABEL;

	put(color ? "  \033[1m" : "  ");
	put(label);
	put(color ? "\033[0m" : "");
	indent(length(label) + 2, LABEL);
	while (*word) {
		size_t n = 0;

		while (word[n] && word[n] != ' ')
			n++;
		if (column > LABEL && column + 1 + n > WIDTH) {
			put("\n");
			indent(0, LABEL);
			column = LABEL;
		}
		if (column > LABEL) {
			put(" ");
			column++;
		}
		put_part(word, n);
		column += n;
		word = skip_blanks(word + n);
	}
	put("\n");
}

/* ---- what there is to see ---- */

static void show_process(void)
{
	struct text t = { 0 };
	long pid = sys4(__NR_getpid, 0, 0, 0, 0);

	add(&t, "pid ");
	add_number(&t, (uint64_t)pid);
	if (pid == 1)
		add(&t, ", the first one: processes outside cannot be seen from here");
	row("process", &t);
}

static void show_host_name(void)
{
	struct text t = { 0 };
	struct utsname u;

	if (sys4(__NR_uname, (long)&u, 0, 0, 0) < 0)
		return;
	add(&t, u.nodename);
	row("host name", &t);
	t = (struct text){ 0 };
	add(&t, u.sysname);
	add(&t, " ");
	add(&t, u.release);
	add(&t, " ");
	add(&t, u.machine);
	add(&t, ", shared with the host");
	row("kernel", &t);
}

static void show_user(void)
{
	uint64_t uid = (uint64_t)sys4(__NR_getuid, 0, 0, 0, 0);
	struct text t = { 0 };

	add_number(&t, uid);
	add(&t, uid ? " in here, " : " (root) in here, ");
	for (const char *line = slurp("/proc/self/uid_map"); *line; line = next_line(line)) {
		const char *outside = next_word(skip_blanks(line));
		uint64_t first = number(line, 10), count = number(next_word(outside), 10);

		if (uid < first || uid - first >= count)
			continue;
		if (!first && !number(outside, 10) && count == UINT32_MAX) {
			add(&t, "and the same outside: no user namespace");
		} else {
			add(&t, "but ");
			add_number(&t, number(outside, 10) + uid - first);
			add(&t, " outside: a user namespace of its own");
		}
	}
	row("user", &t);
}

/* The kernel gives its first namespaces fixed numbers. Kernels before 6.18 number the network and
 * mount ones as they come, among the very first. */
#define NS_FIRST_DYNAMIC 0xF0000000u
#define NS_EARLY         (NS_FIRST_DYNAMIC + 256)

static bool is_own_namespace(const char *name)
{
	struct text path = { 0 }, link = { 0 };
	const char *p;
	uint64_t inode;
	long n;

	add(&path, "/proc/self/ns/");
	add(&path, name);
	n = sys4(__NR_readlinkat, -100, (long)path.s, (long)link.s, sizeof(link.s) - 1);
	if (n <= 0)
		return false;
	link.s[n] = '\0';
	for (p = link.s; *p && *p != '['; p++)
		;
	inode = *p ? number(p + 1, 10) : 0;
	if (starts_with(name, "net") || starts_with(name, "mnt"))
		return inode >= NS_EARLY;
	return inode >= NS_FIRST_DYNAMIC;
}

static void show_namespaces(void)
{
	static const char *const names[] = { "pid", "mnt", "net", "uts", "ipc", "cgroup", "user" };
	struct text own = { 0 }, shared = { 0 };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add_list_item(is_own_namespace(names[i]) ? &own : &shared, names[i]);
	if (shared.len) {
		add(&own, own.len ? "; with the host: " : "none; with the host: ");
		add(&own, shared.s);
	}
	row("namespaces", &own);
}

static void show_capabilities(void)
{
	static const char *const names[] = {
		"chown",
		"dac_override",
		"dac_read_search",
		"fowner",
		"fsetid",
		"kill",
		"setgid",
		"setuid",
		"setpcap",
		"linux_immutable",
		"net_bind_service",
		"net_broadcast",
		"net_admin",
		"net_raw",
		"ipc_lock",
		"ipc_owner",
		"sys_module",
		"sys_rawio",
		"sys_chroot",
		"sys_ptrace",
		"sys_pacct",
		"sys_admin",
		"sys_boot",
		"sys_nice",
		"sys_resource",
		"sys_time",
		"sys_tty_config",
		"mknod",
		"lease",
		"audit_write",
		"audit_control",
		"setfcap",
		"mac_override",
		"mac_admin",
		"syslog",
		"wake_alarm",
		"block_suspend",
		"audit_read",
		"perfmon",
		"bpf",
		"checkpoint_restore",
	};
	const unsigned count = sizeof(names) / sizeof(names[0]);
	uint64_t have = number(status_field("CapEff"), 16), all = ((uint64_t)1 << count) - 1;
	struct text t = { 0 };
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		n += have >> i & 1;
	add_number(&t, n);
	add(&t, " of ");
	add_number(&t, count);
	if ((have & all) == all)
		add(&t, ": every one");
	else
		add(&t, n ? ":" : "");
	for (unsigned i = 0; i < count && (have & all) != all; i++) {
		if (have >> i & 1)
			add_list_item(&t, names[i]);
	}
	row("capabilities", &t);
}

static void show_filters(void)
{
	struct text t = { 0 };

	add(&t, number(status_field("Seccomp"), 10) == 2 ? "system calls are filtered (seccomp)"
	                                                 : "no filter for system calls");
	add(&t, number(status_field("NoNewPrivs"), 10) ? "; setuid programs gain nothing"
	                                               : "; setuid programs work");
	row("restrictions", &t);
}

/* Type and options of the mount at "/": fields 5 and 6, and after " - " the type. */
static void show_root(void)
{
	struct text t = { 0 };

	for (const char *line = slurp("/proc/self/mountinfo"); *line; line = next_line(line)) {
		const char *point = line, *options, *p;

		for (int i = 0; i < 4; i++)
			point = next_word(point);
		if (point[0] != '/' || point[1] != ' ')
			continue;
		options = next_word(point);
		for (p = options; *p && *p != '\n' && !starts_with(p, " - "); p++)
			;
		if (*p != ' ')
			continue;
		t = (struct text){ 0 };
		p += 3;
		add_part(&t, p, (size_t)(next_word(p) - p - 1));
		add(&t, starts_with(options, "ro") ? ", read-only" : ", writable");
	}
	if (t.len)
		row("file system", &t);
}

static void add_address(struct text *t, const struct ifreq *r)
{
	const uint8_t *b =
		(const uint8_t *)&((const struct sockaddr_in *)(const void *)&r->ifr_addr)
			->sin_addr;

	for (int i = 0; i < 4; i++) {
		add(t, i ? "." : " ");
		add_number(t, b[i]);
	}
}

static void show_network(void)
{
	long fd = sys4(__NR_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0);
	const char *line = slurp("/proc/net/dev");
	struct text t = { 0 };

	/* two lines of headings; then "  eth0: 1234 ..." */
	for (line = next_line(next_line(line)); *line; line = next_line(line)) {
		const char *name = skip_blanks(line);
		struct ifreq r = { 0 };
		size_t n = 0;

		while (name[n] && name[n] != ':' && n < sizeof(r.ifr_name) - 1) {
			r.ifr_name[n] = name[n];
			n++;
		}
		add(&t, t.len ? ", " : "");
		add(&t, r.ifr_name);
		if (fd >= 0 && sys4(__NR_ioctl, fd, SIOCGIFADDR, (long)&r, 0) >= 0)
			add_address(&t, &r);
	}
	if (fd >= 0)
		sys_close((int)fd);
	row("network", &t);
}

/* The first of two files (cgroup v2, then v1) that can be read. */
static const char *slurp_either(const char *v2, const char *v1)
{
	return *slurp(v2) ? file : slurp(v1);
}

static void add_size(struct text *t, uint64_t bytes)
{
	static const char *const units[] = { " bytes", " KiB", " MiB", " GiB", " TiB" };
	unsigned unit = 0;

	while (unit < 4 && bytes >= 1024 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	add_number(t, bytes);
	add(t, units[unit]);
}

static void add_cpu_limit(struct text *t)
{
	const char *v2 = slurp("/sys/fs/cgroup/cpu.max");
	uint64_t quota = 0, period = 0, hundredths;

	if (*v2 >= '0' && *v2 <= '9') {
		quota = number(v2, 10);
		period = number(next_word(v2), 10);
	} else if (!*v2) {
		const char *v1 = slurp("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");

		if (*v1 >= '0' && *v1 <= '9') {
			quota = number(v1, 10);
			period = number(slurp("/sys/fs/cgroup/cpu/cpu.cfs_period_us"), 10);
		}
	}
	if (!quota || !period)
		return;
	hundredths = quota * 100 / period;
	add(t, t->len ? ", " : "");
	add_number(t, hundredths / 100);
	if (hundredths % 100) {
		add(t, hundredths % 100 < 10 ? ".0" : ".");
		add_number(t, hundredths % 10 ? hundredths % 100 : hundredths % 100 / 10);
	}
	add(t, hundredths == 100 ? " CPU" : " CPUs");
}

static void show_limits(void)
{
	struct text t = { 0 };
	uint64_t v;

	v = number(slurp_either("/sys/fs/cgroup/memory.max",
	                        "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
	           10);
	/* v1 writes "no limit" as the largest number of pages */
	if (v && v < (uint64_t)1 << 60) {
		add_size(&t, v);
		add(&t, " of memory");
	}
	add_cpu_limit(&t);
	v = number(slurp_either("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"), 10);
	if (v) {
		add(&t, t.len ? ", " : "");
		add_number(&t, v);
		add(&t, " processes");
	}
	if (!t.len)
		add(&t, "none set");
	row("limits", &t);
}

static bool wants_color(const long *stack)
{
	char *const *env = (char *const *)(stack + 1 + stack[0] + 1);
	char termios[64];

	for (; *env; env++) {
		if (starts_with(*env, "NO_COLOR=") && (*env)[9])
			return false;
	}
	return sys4(__NR_ioctl, 1, 0x5401 /* TCGETS */, (long)termios, 0) >= 0;
}

void hello_start(const long *stack)
{
	size_t done = 0;
	long n;

	color = wants_color(stack);
	put("\n"
	    "              /|\n"
	    "             / |        Hello from inside a container.\n"
	    "            /  |\n"
	    "           /   |\\       This image came with dhow: nothing was downloaded.\n"
	    "          /____| \\      What separates it from your machine:\n"
	    "      _________|______\n"
	    "  ~~~~\\______________/~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
	    "\n");
	show_process();
	show_namespaces();
	show_user();
	slurp("/proc/self/status");
	show_capabilities();
	show_filters();
	show_limits();
	show_root();
	show_network();
	show_host_name();
	put("\n"
	    "  Try it with other limits:\n"
	    "      dhow run --rm --memory 64m --cpus 0.5 --read-only --network none hello\n"
	    "\n");
	while (done < out.len && (n = sys_write(1, out.s + done, out.len - done)) > 0)
		done += (size_t)n;
	sys4(__NR_exit_group, done < out.len, 0, 0, 0);
	__builtin_unreachable();
}
