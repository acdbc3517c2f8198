/* stage: the program between the runtime and the container's own (CVE-2019-5736).
 *
 * At the moment of execve, "/proc/self/exe" is the program that calls it. Were that the runtime, an
 * image could name it as its entry point or as the interpreter of a script, get hold of the
 * host's binary, and overwrite it later. So the runtime first becomes this one, which lies in a
 * sealed memory file, and which does nothing but execute what it is told.
 *
 * argv[0] is "FD PATH": where to report a failure, and what to execute; argv[1..] is its argv.
 * Freestanding: no library, no data, one page. Report: 'x', errno, path, in one message. */

#if defined(__x86_64__)
enum { NR_fcntl = 72, NR_writev = 20, NR_execve = 59, NR_exit = 60 };

static long call(long nr, long a, long b, long c)
{
	long r;

	__asm__ volatile("syscall"
	                 : "=a"(r)
	                 : "a"(nr), "D"(a), "S"(b), "d"(c)
	                 : "rcx", "r11", "memory");
	return r;
}

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n"
        "\tcall stage_main\n");
#elif defined(__aarch64__)
enum { NR_fcntl = 25, NR_writev = 66, NR_execve = 221, NR_exit = 93 };

static long call(long nr, long a, long b, long c)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}

__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x0, sp\n\tbl stage_main\n");
#elif defined(__riscv)
enum { NR_fcntl = 25, NR_writev = 66, NR_execve = 221, NR_exit = 93 };

static long call(long nr, long a, long b, long c)
{
	register long a7 __asm__("a7") = nr;
	register long a0 __asm__("a0") = a;
	register long a1 __asm__("a1") = b;
	register long a2 __asm__("a2") = c;

	__asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
	return a0;
}

__asm__(".globl _start\n_start:\n\tmv a0, sp\n\tcall stage_main\n");
#else
#	error "stage.c: add this machine's system calls"
#endif

#define F_SETFD    2
#define FD_CLOEXEC 1

struct piece {
	const void *base;
	unsigned long len;
};

void stage_main(long *sp);

void stage_main(long *sp)
{
	char **argv = (char **)(sp + 1), **envp = argv + sp[0] + 1;
	const char *path = argv[0];
	char head[2] = { 'x', 0 };
	struct piece message[2] = { { head, 2 }, { 0, 0 } };
	long fd = 0, r;

	while (*path >= '0' && *path <= '9')
		fd = fd * 10 + (*path++ - '0');
	path++;
	call(NR_fcntl, fd, F_SETFD, FD_CLOEXEC);
	r = call(NR_execve, (long)path, (long)(argv + 1), (long)envp);
	head[1] = (char)-r;
	message[1].base = path;
	while (path[message[1].len])
		message[1].len++;
	call(NR_writev, fd, (long)message, 2);
	for (;;)
		call(NR_exit, r == -2 ? 127 : 126, 0, 0);
}
