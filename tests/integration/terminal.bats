#!/usr/bin/env bats
# A real terminal around `run -it`, `exec -it`, `attach` and `start -ai`.
load ../lib/helpers

setup_file() {
    common_setup_file
    image busybox
}

# drive ARGS... <STEPS: dhow under a terminal
drive() {
    "$TOP/tests/lib/pty" "$BUILD/dhow" --root "$T/root" --runroot "$T/run" "$@"
}

@test "run -it is a terminal of the window's size, and follows it" {
    drive run --rm -it --network none busybox sh <<-'END'
	expect #
	line stty size; tty; echo TERM=$TERM
	expect 24 80
	expect /dev/(console|pts/0)
	expect TERM=xterm
	size 40 132
	line stty size
	expect 40 132
	line exit 7
	exit 7
	END
}

@test "Ctrl-C reaches the program inside, not dhow" {
    drive run --rm -it --network none busybox sh <<-'END'
	expect #
	line sleep 1000
	sleep 0.3
	send \x03
	expect #
	line echo st=$?
	expect st=130
	line exit
	exit 0
	END
}

@test "job control: Ctrl-Z, bg, fg" {
    drive run --rm -it --network none busybox sh <<-'END'
	expect #
	line sleep 1000
	sleep 0.3
	send \x1a
	expect Stopped
	line bg
	line jobs
	expect Running
	line fg
	sleep 0.2
	send \x03
	line exit 0
	exit 0
	END
}

@test "Ctrl-D ends the input, and the shell" {
    drive run --rm -it --network none busybox sh <<-'END'
	expect #
	send \x04
	exit 0
	END
}

@test "Ctrl-C to a container without a shell ends it by signal" {
    drive run --rm -it --init --network none busybox sleep 1000 <<-'END'
	sleep 1
	send \x03
	exit 130
	END
}

@test "detach with Ctrl-P Ctrl-Q, attach again, same shell" {
    drive run -it --name back --network none busybox sh <<-'END'
	expect #
	line x=remembered
	expect #
	send \x10\x11
	exit 0
	END
    ok dhow ps --filter name=back --format '{{.Status}}'
    says Up
    drive attach back <<-'END'
	line echo x=$x
	expect x=remembered
	line exit 4
	exit 4
	END
}

@test "exec -it has a terminal of its own, also after the window changed" {
    dhow run -d --name target --network none busybox sleep 1000
    drive exec -it target sh <<-'END'
	expect #
	line stty size
	expect 24 80
	size 10 50
	line stty size
	expect 10 50
	line sleep 1000
	sleep 0.3
	send \x03
	expect #
	line exit 5
	exit 5
	END
}

@test "a full-screen program draws: vi writes a file" {
    drive run --rm -it --network none busybox sh <<-'END'
	expect #
	line vi /tmp/f
	expect ~
	send i
	sleep 0.2
	send hello from vi
	sleep 0.2
	send \x1b
	sleep 0.5
	send :wq\n
	expect #
	line cat /tmp/f; exit 0
	expect hello from vi
	exit 0
	END
}

@test "much output over the terminal arrives whole" {
    drive run --rm -it --network none busybox sh -c 'seq 1 20000; echo the-end' <<-'END'
	expect ^19999\r
	expect the-end
	exit 0
	END
}

@test "the terminal is as it was afterwards" {
    "$TOP/tests/lib/pty" bash --norc -i <<-END
	line PS1='rea''dy> '; stty -a | md5sum > $T/tty1
	expect ready>
	line $BUILD/dhow --root $T/root --runroot $T/run run --rm -it --network none busybox sh
	expect #
	line exit
	expect ready>
	line stty -a | md5sum > $T/tty2; echo do''ne
	expect done
	line exit
	exit 0
	END
    cmp "$T/tty1" "$T/tty2"
}

@test "start -ai shows a stopped shell again" {
    dhow create -it --name again --network none busybox sh
    drive start -ai again <<-'END'
	expect #
	line echo one
	expect one
	line exit 2
	exit 2
	END
    drive start -ai again <<-'END'
	expect #
	line exit 3
	exit 3
	END
}

@test "the ordinary user has a terminal too" {
    require rootless
    uimage busybox
    "$TOP/tests/lib/pty" bash -c "$(declare -f as_user udhow); T=$T TEST_USER=$TEST_USER udhow run --rm -it --network none busybox sh" <<-'END'
	expect #
	line stty size; id -u
	expect 24 80
	expect ^0
	line exit 6
	exit 6
	END
}
