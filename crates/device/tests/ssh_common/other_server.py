"""A second implementation of SSH's server side, for the tests: it prints its port and the type of its host key.

Users and what they get:
  pass    password `right`, exec with status
  expired password `right` is to be changed
  ask     two keyboard-interactive prompts in one round: `Password:` and `Password for enable:` (no answer fits the second)
  rounds  two rounds: `Password:`, then none
"""
import asyncio
import sys

import asyncssh


class Server(asyncssh.SSHServer):
    def begin_auth(self, username):
        self.user = username
        self.round = 0
        return True

    def password_auth_supported(self):
        return self.user in ("pass", "expired")

    def validate_password(self, username, password):
        if username == "expired":
            raise asyncssh.PasswordChangeRequired("Your password has expired")
        return password == "right"

    def kbdint_auth_supported(self):
        return self.user in ("ask", "rounds")

    def get_kbdint_challenge(self, username, lang, submethods):
        if username == "ask":
            return "", "Welcome", "", [("Password: ", False), ("Verification code: ", False)]
        return "", "Welcome", "", [("Password: ", False)]

    def validate_kbdint_response(self, username, responses):
        if username == "rounds" and self.round == 0:
            self.round = 1
            return ("", "Your password expires in 3 days", "", []) if list(responses) == ["right"] else False
        return username == "rounds"


async def serve(process):
    command = process.command
    if command is None:
        process.exit(9)
        return
    command, mark, _ = command.partition("; mark")
    end = "the end\n" if mark else ""
    if command == "up":
        process.stdout.write("up\n" + end)
        process.exit(0)
    elif command == "fail":
        process.stderr.write("fail: not found\n")
        process.exit(127)
    elif command.startswith("echo "):
        process.stdout.write(command[5:] + "\n")
        process.stderr.write("a warning\n")
        process.exit(3)
    elif command.startswith("half"):
        process.stdout.write("line of half an answer\n" * 1000)
        process.exit(0)
    elif command.startswith("cut"):
        process.stdout.write("line of half an answer\n" * 1000)
        await process.stdout.drain()
        process.channel.get_connection().abort()
    elif command.startswith("whole"):
        process.stdout.write("line\n" * 200000 + "end\n" + end)
        process.exit(0)


async def main():
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(
        Server, "127.0.0.1", 0, server_host_keys=[key], process_factory=serve, encoding="utf-8"
    )
    print(server.get_port(), flush=True)
    # Ends with the test, which holds the other end.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
