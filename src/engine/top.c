#include "engine/top.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "engine/engine-internal.h"
#include "engine/top-internal.h"
#include "runtime/runtime.h"

#define PROC_FILE_MAX 65536
#define COMMAND_MAX   4096

void top_table_done(struct top_table *t)
{
	strv_done(&t->titles);
	for (size_t i = 0; i < t->count; i++)
		strv_done(&t->rows[i]);
	free(t->rows);
	*t = (struct top_table){ 0 };
}

/* ---- one process, as /proc tells it ---- */

struct process {
	pid_t pid;
	char comm[32];
	char *command; /* arguments joined by blanks, or [comm] */
	char state;
	int64_t ppid, pgid, sid, tty, utime, stime, nice, threads, start_ticks, vsize, rss_pages;
	uint32_t uid, ruid, gid, rgid;
	int64_t ns_pid; /* in the container */
};

struct machine {
	int64_t now_ns, boot_ns, ticks, page, memory;
};

static int read_proc(int dir_fd, const char *name, char **ret, size_t *ret_len)
{
	return file_read_at(dir_fd, name, PROC_FILE_MAX, ret, ret_len, ERR_IGNORE);
}

/* "PID (COMM) STATE PPID ...": COMM may hold anything, so it ends at the last ')'. */
static bool parse_stat(char *text, struct process *p)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	long long v[24];
	int n = 0, used;
	char *at;

	if (!open || !close || close < open || !close[1])
		return false;
	*close = '\0';
	snprintf(p->comm, sizeof(p->comm), "%s", open + 1);
	for (char *c = p->comm; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	p->state = close[2];
	/* fields 4.. of proc(5) */
	for (at = close + 3; n < 21 && sscanf(at, " %lld%n", &v[n], &used) == 1; n++)
		at += used;
	if (n < 21)
		return false;
	p->ppid = v[0];
	p->pgid = v[1];
	p->sid = v[2];
	p->tty = v[3];
	p->utime = v[10];
	p->stime = v[11];
	p->nice = v[15];
	p->threads = v[16];
	p->start_ticks = v[18];
	p->vsize = v[19];
	p->rss_pages = v[20];
	return true;
}

static void parse_status(const char *text, struct process *p)
{
	const char *at = strstr(text, "\nUid:");

	if (at)
		sscanf(at, "\nUid: %u %u", &p->ruid, &p->uid);
	at = strstr(text, "\nGid:");
	if (at)
		sscanf(at, "\nGid: %u %u", &p->rgid, &p->gid);
	p->ns_pid = p->pid;
	at = strstr(text, "\nNSpid:");
	if (at) {
		const char *end = strchr(at + 1, '\n');
		const char *last = end;

		/* outermost first: the last number is the container's own */
		while (last && last > at && last[-1] != '\t')
			last--;
		if (last)
			p->ns_pid = strtol(last, NULL, 10);
	}
}

/* What a process calls itself is shown, but cannot drive a terminal. */
static char *clean_command(const char *text, size_t len, const char *comm)
{
	AUTO_BUF out = STRBUF_INIT;

	while (len && !text[len - 1])
		len--;
	if (!len)
		return xasprintf("[%s]", comm);
	for (size_t i = 0; i < len && i < COMMAND_MAX; i++) {
		unsigned char c = (unsigned char)text[i];

		strbuf_addc(&out, !c ? ' ' : c < 0x20 || c == 0x7f ? '?' : (char)c);
	}
	return strbuf_take(&out);
}

/* False when it has ended meanwhile. */
static bool process_read(pid_t pid, struct process *p)
{
	AUTO_FREE char *stat_text = NULL;
	AUTO_FREE char *status = NULL;
	AUTO_FREE char *cmdline = NULL;
	char path[32];
	AUTO_FD dir = -1;
	size_t len;

	*p = (struct process){ .pid = pid };
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || read_proc(dir, "stat", &stat_text, &len) < 0 ||
	    read_proc(dir, "status", &status, &len) < 0 ||
	    read_proc(dir, "cmdline", &cmdline, &len) < 0 || !parse_stat(stat_text, p))
		return false;
	parse_status(status, p);
	p->command = clean_command(cmdline, len, p->comm);
	return true;
}

static void machine_read(struct machine *m)
{
	struct timespec up;

	clock_gettime(CLOCK_BOOTTIME, &up);
	m->now_ns = clock_realtime_ns();
	m->boot_ns = m->now_ns - (up.tv_sec * 1000000000LL + up.tv_nsec);
	m->ticks = sysconf(_SC_CLK_TCK);
	m->page = sysconf(_SC_PAGESIZE);
	m->memory = sysconf(_SC_PHYS_PAGES) * m->page;
}

/* ---- columns ---- */

static int64_t cpu_seconds(const struct process *p, const struct machine *m)
{
	return (p->utime + p->stime) / m->ticks;
}

static int64_t start_ns(const struct process *p, const struct machine *m)
{
	return m->boot_ns + p->start_ticks * (1000000000LL / m->ticks);
}

static int64_t age_seconds(const struct process *p, const struct machine *m)
{
	int64_t s = (m->now_ns - start_ns(p, m)) / 1000000000;

	return s > 0 ? s : 0;
}

static double cpu_percent(const struct process *p, const struct machine *m)
{
	int64_t age = age_seconds(p, m);

	return age ? 100.0 * (double)(p->utime + p->stime) / (double)m->ticks / (double)age : 0;
}

static void user_name(struct strbuf *out, uint32_t uid)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw)
		strbuf_adds(out, pw->pw_name);
	else
		strbuf_addf(out, "%u", uid);
}

static void group_name(struct strbuf *out, uint32_t gid)
{
	const struct group *gr = getgrgid(gid);

	if (gr)
		strbuf_adds(out, gr->gr_name);
	else
		strbuf_addf(out, "%u", gid);
}

#define COLUMN(name)                                                                               \
	static void col_##name(struct strbuf *out, const struct process *p, const struct machine *m)
#define NUMBER(name, value)                                                                        \
	COLUMN(name)                                                                               \
	{                                                                                          \
		strbuf_addf(out, "%lld", (long long)(value));                                      \
	}

NUMBER(pid, p->pid)
NUMBER(ns_pid, p->ns_pid)
NUMBER(ppid, p->ppid)
NUMBER(pgid, p->pgid)
NUMBER(sid, p->sid)
NUMBER(uid, p->uid)
NUMBER(ruid, p->ruid)
NUMBER(gid, p->gid)
NUMBER(rgid, p->rgid)
NUMBER(nice, p->nice)
NUMBER(nlwp, p->threads)
NUMBER(vsz, p->vsize / 1024)
NUMBER(rss, p->rss_pages * m->page / 1024)
NUMBER(c, cpu_percent(p, m))
NUMBER(etimes, age_seconds(p, m))

COLUMN(user)
{
	user_name(out, p->uid);
}

COLUMN(ruser)
{
	user_name(out, p->ruid);
}

COLUMN(group)
{
	group_name(out, p->gid);
}

COLUMN(rgroup)
{
	group_name(out, p->rgid);
}

COLUMN(comm)
{
	strbuf_adds(out, p->comm);
}

COLUMN(command)
{
	strbuf_adds(out, p->command);
}

COLUMN(state)
{
	strbuf_addc(out, p->state);
}

COLUMN(stat)
{
	strbuf_addc(out, p->state);
	if (p->nice)
		strbuf_addc(out, p->nice < 0 ? '<' : 'N');
	if (p->sid == p->pid)
		strbuf_addc(out, 's');
	if (p->threads > 1)
		strbuf_addc(out, 'l');
}

COLUMN(pcpu)
{
	strbuf_addf(out, "%.1f", cpu_percent(p, m));
}

COLUMN(pmem)
{
	strbuf_addf(out, "%.1f", 100.0 * (double)(p->rss_pages * m->page) / (double)m->memory);
}

COLUMN(tty)
{
	unsigned major_nr = major((dev_t)p->tty);

	if (!p->tty)
		strbuf_addc(out, '?');
	else if (major_nr >= 136 && major_nr <= 143)
		strbuf_addf(out, "pts/%u", (major_nr - 136) * 256 + minor((dev_t)p->tty));
	else
		strbuf_addf(out, "%u:%u", major_nr, minor((dev_t)p->tty));
}

/* [DD-]HH:MM:SS */
static void long_time(struct strbuf *out, int64_t s)
{
	if (s >= 86400)
		strbuf_addf(out, "%lld-", (long long)(s / 86400));
	strbuf_addf(out, "%02lld:%02lld:%02lld", (long long)(s / 3600 % 24),
	            (long long)(s / 60 % 60), (long long)(s % 60));
}

COLUMN(time)
{
	long_time(out, cpu_seconds(p, m));
}

COLUMN(bsd_time)
{
	int64_t s = cpu_seconds(p, m);

	strbuf_addf(out, "%lld:%02lld", (long long)(s / 60), (long long)(s % 60));
}

COLUMN(etime)
{
	int64_t s = age_seconds(p, m);

	if (s >= 3600)
		long_time(out, s);
	else
		strbuf_addf(out, "%02lld:%02lld", (long long)(s / 60), (long long)(s % 60));
}

COLUMN(stime)
{
	time_t start = (time_t)(start_ns(p, m) / 1000000000);
	char text[16] = "";
	struct tm tm;

	if (localtime_r(&start, &tm))
		strftime(text, sizeof(text), age_seconds(p, m) < 86400 ? "%H:%M" : "%b%d", &tm);
	strbuf_adds(out, text);
}

/* clang-format off */
static const struct column {
	const char *names; /* what -o takes, comma-separated */
	const char *title;
	void (*print)(struct strbuf *out, const struct process *p, const struct machine *m);
} columns[] = {
	{ "pid,hpid,tgid",            "PID",     col_pid },
	{ "ppid",                     "PPID",    col_ppid },
	{ "pgid,pgrp",                "PGID",    col_pgid },
	{ "sid,sess,session",         "SID",     col_sid },
	{ "uid,euid",                 "UID",     col_uid },
	{ "ruid",                     "RUID",    col_ruid },
	{ "gid,egid",                 "GID",     col_gid },
	{ "rgid",                     "RGID",    col_rgid },
	{ "user,euser,uname,huser",   "USER",    col_user },
	{ "ruser",                    "RUSER",   col_ruser },
	{ "group,egroup,hgroup",      "GROUP",   col_group },
	{ "rgroup",                   "RGROUP",  col_rgroup },
	{ "c",                        "C",       col_c },
	{ "pcpu,%cpu",                "%CPU",    col_pcpu },
	{ "pmem,%mem",                "%MEM",    col_pmem },
	{ "vsz,vsize",                "VSZ",     col_vsz },
	{ "rss,rssize",               "RSS",     col_rss },
	{ "nice,ni",                  "NI",      col_nice },
	{ "nlwp,thcount",             "NLWP",    col_nlwp },
	{ "state,s",                  "S",       col_state },
	{ "stat",                     "STAT",    col_stat },
	{ "tty,tt,tname",             "TTY",     col_tty },
	{ "time,cputime",             "TIME",    col_time },
	{ "bsdtime",                  "TIME",    col_bsd_time },
	{ "etime",                    "ELAPSED", col_etime },
	{ "etimes",                   "ELAPSED", col_etimes },
	{ "stime,start_time",         "STIME",   col_stime },
	{ "start,bsdstart,lstart",    "START",   col_stime },
	{ "comm,ucmd,ucomm",          "COMMAND", col_comm },
	{ "args,command",             "COMMAND", col_command },
	{ "cmd",                      "CMD",     col_command },
};
/* podman's names, without a dash: pid is the container's own there */
static const struct column container_pid = { "pid", "PID", col_ns_pid };
static const struct column user_as_uid = { "uid", "UID", col_user };
/* clang-format on */

static bool has_word(const char *words, const char *word, size_t len)
{
	while (*words) {
		size_t n = strcspn(words, ",");

		if (n == len && !strncasecmp(words, word, len))
			return true;
		words += n + (words[n] == ',');
	}
	return false;
}

static const struct column *column_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		if (has_word(columns[i].names, name, len))
			return &columns[i];
	return NULL;
}

struct format {
	const struct column **items;
	size_t count;
};

static void format_done(struct format *f)
{
	free(f->items);
}

/* "pid,user args" */
static int format_add(struct format *f, const char *list, bool podman, struct err *err)
{
	while (*list) {
		size_t len = strcspn(list, ", ");
		const struct column *c = column_find(list, len);

		if (podman && has_word("pid", list, len))
			c = &container_pid;
		if (len && !c)
			return err_set(err, E_INVALID, "unknown column '%.*s'", (int)len, list);
		if (len)
			VEC_PUSH(f->items, f->count, c);
		list += len;
		list += strspn(list, ", ");
	}
	return 0;
}

static const char format_full[] = "user,pid,ppid,c,stime,tty,time,cmd";
static const char format_aux[] = "user,pid,%cpu,%mem,vsz,rss,tty,stat,start,bsdtime,command";

/* ps's arguments. Selections (-e, -A, a, x) are the container's processes anyhow. */
static int format_parse(const struct strv *args, struct format *f, struct err *err)
{
	bool aux = false;

	for (size_t i = 0; args && i < args->len; i++) {
		const char *a = args->items[i];
		const char *o = *a == '-' ? strchr(a, 'o') : NULL;
		size_t letters = o ? (size_t)(o - a) : strlen(a);

		if (*a != '-' && strcmp(a, "aux") != 0 && strcmp(a, "axu") != 0 &&
		    strcmp(a, "ef") != 0 && strcmp(a, "ax") != 0) {
			if (format_add(f, a, true, err) < 0)
				return -1;
			continue;
		}
		for (size_t k = *a == '-'; k < letters; k++) {
			if (!strchr("eAaxufdTwH", a[k]))
				return err_set(err, E_INVALID, "unknown ps option '%s'", a);
			aux = aux || a[k] == 'u';
		}
		if (!o)
			continue;
		if (!o[1] && ++i >= args->len)
			return err_set(err, E_INVALID, "ps option -o needs columns");
		if (format_add(f, o[1] ? o + 1 : args->items[i], false, err) < 0)
			return -1;
	}
	if (f->count)
		return 0;
	if (format_add(f, aux ? format_aux : format_full, false, err) < 0)
		return -1;
	if (!aux)
		f->items[0] = &user_as_uid;
	return 0;
}

/* ---- which processes ---- */

static ino_t pid_namespace(pid_t pid)
{
	struct stat st;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Without a cgroup of its own: everything in its pid namespace. */
static int by_namespace(pid_t init, pid_t **ret, size_t *ret_count, struct err *err)
{
	ino_t wanted = pid_namespace(init);
	struct dirent *d;
	DIR *dir;

	if (!wanted || wanted == pid_namespace(getpid()))
		return err_set(err, E_UNSUPPORTED,
		               "it shares the host's processes and has no cgroup");
	dir = opendir("/proc");
	if (!dir)
		return err_sys(err, errno, "list /proc");
	while ((d = readdir(dir))) {
		uint32_t pid;

		if (parse_u32(d->d_name, &pid) == 0 && pid_namespace((pid_t)pid) == wanted)
			VEC_PUSH(*ret, *ret_count, (pid_t)pid);
	}
	closedir(dir);
	return 0;
}

static int container_pids(struct engine *e, const char *id, pid_t init, pid_t **ret,
                          size_t *ret_count, struct err *err)
{
	int state_root = engine_state_root(e, err);
	struct err ps_err = ERR_INIT;
	int r;

	if (state_root < 0)
		return -1;
	r = runtime_ps(state_root, id, ret, ret_count, &ps_err);
	if (r == 0 && *ret_count)
		return 0;
	free(TAKE_PTR(*ret));
	*ret_count = 0;
	return by_namespace(init, ret, ret_count, err);
}

static void add_row(struct top_table *t, const struct format *f, pid_t pid, const struct machine *m)
{
	struct strv row = STRV_INIT;
	struct process p;

	if (process_read(pid, &p)) {
		for (size_t i = 0; i < f->count; i++) {
			AUTO_BUF cell = STRBUF_INIT;

			f->items[i]->print(&cell, &p, m);
			strv_add(&row, cell.buf);
		}
		VEC_PUSH(t->rows, t->count, row);
	}
	free(p.command);
}

static int by_pid(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

int top_build(pid_t *pids, size_t count, const struct strv *ps_args, struct top_table *ret,
              struct err *err)
{
	AUTO(format_done) struct format f = { 0 };
	struct machine m;

	*ret = (struct top_table){ 0 };
	if (format_parse(ps_args, &f, err) < 0)
		return -1;
	machine_read(&m);
	for (size_t i = 0; i < f.count; i++)
		strv_add(&ret->titles, f.items[i]->title);
	if (count)
		qsort(pids, count, sizeof(*pids), by_pid);
	for (size_t i = 0; i < count; i++)
		add_row(ret, &f, pids[i], &m);
	return 0;
}

int container_top(struct engine *e, const char *ref, const struct strv *ps_args,
                  struct top_table *ret, struct err *err)
{
	AUTO_FREE pid_t *pids = NULL;
	AUTO_FD pidfd = -1;
	char id[ID_LEN + 1];
	size_t count = 0;
	pid_t init;

	if (container_find(e, ref, id, err) < 0 || container_pidfd(e, id, &init, &pidfd, err) < 0)
		return -1;
	if (container_pids(e, id, init, &pids, &count, err) < 0)
		return err_ctx(err, "processes of '%s'", ref);
	return top_build(pids, count, ps_args, ret, err);
}
