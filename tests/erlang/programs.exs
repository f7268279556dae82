# Programs behind mailboxes, as Elixir sees them: elixir --sname NAME programs.exs AGENT PID-OF-SHELL PID-OF-PYTHON. The agent has the mailboxes
# shell and python, the examples of a thermometer, and hangs, which reads nothing and answers nothing. A match that fails ends it with an error.
defmodule Programs do
  def until(_question, _answer, 0), do: raise("waited in vain")

  def until(question, answer, times) do
    unless question.() == answer do
      Process.sleep(20)
      until(question, answer, times - 1)
    end
  end

  def next_message do
    receive do
      message -> message
    after
      20_000 -> :nothing
    end
  end
end

[node | pids] = System.argv()
node = String.to_atom(node)
reading = {:celsius, 21.5}

# calls, casts and other messages
for name <- [:shell, :python] do
  ^reading = GenServer.call({name, node}, :read)
  {:error, :unknown_request} = GenServer.call({name, node}, {:no, "such", 'request'})
  send({name, node}, {:hello, self()})
end

Process.register(self(), :hub)
GenServer.cast({:shell, node}, {:report, :hub, node()})
^reading = Programs.next_message()
GenServer.cast({:python, node}, ["report", "hub", to_string(node())])
^reading = Programs.next_message()

# what hangs hangs only who asks it, and nobody for long: the others answer while it is flooded
flood = Task.async(fn -> for n <- 1..20_000, do: GenServer.cast({:hangs, node}, {n, "some payload"}) end)

for _ <- 1..200 do
  ^reading = GenServer.call({:shell, node}, :read)
  ^reading = GenServer.call({:python, node}, :read)
end

Task.await(flood, 30_000)
{:error, :busy} = GenServer.call({:hangs, node}, :hello)

# what is killed comes back
monitor = Process.monitor({:shell, node})
for pid <- pids, do: {"", 0} = System.cmd("sh", ["-c", "kill -9 " <> pid])

for name <- [:shell, :python] do
  Programs.until(fn -> GenServer.call({name, node}, :read) end, reading, 1000)
end

# which its mailbox never noticed
true = Process.demonitor(monitor, [:info])
:nothing = receive do: (message -> message), after: (0 -> :nothing)

IO.puts("all is well")
