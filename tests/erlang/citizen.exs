# What an Elixir node does with an agent: elixir --sname NAME citizen.exs AGENT hidden|visible THERMOMETER. A match that fails ends it with an error.
defmodule Citizen do
  # a function of its own: the compiler of OTP 25 fails where a reference is made and received in a script
  def next_message do
    receive do
      message -> message
    after
      5000 -> :nothing
    end
  end
end

[node, kind, thermometer] = Enum.map(System.argv(), &String.to_atom/1)

[] = Node.list([:visible, :hidden])
true = Node.connect(node)
{hidden, visible} = if kind == :hidden, do: {[node], []}, else: {[], [node]}
^hidden = Node.list(:hidden)
^visible = Node.list()

for term <- [:hello, nil, "text", ~c"charlist", 1.5, %{key: [1, {2}]}, 1..3, ~D[2024-02-29], make_ref(), self()] do
  ^term = GenServer.call({:echo, node}, term)
end

# of two monitors, the one on what is there stays silent
there = Process.monitor({:echo, node})
missing = Process.monitor({:nosuch, node})
{:DOWN, ^missing, :process, {:nosuch, ^node}, :noproc} = Citizen.next_message()
send({:echo, node}, {self(), :behind_them})
{:echo, :behind_them} = Citizen.next_message()
true = Process.demonitor(there, [:flush])

exit =
  try do
    GenServer.call({:nosuch, node}, :hello)
  catch
    :exit, why -> why
  end

{:noproc, {GenServer, :call, _}} = exit

# A function that is served there, and one that is not.
21.5 = :erpc.call(thermometer, :thermometer, :read, [])

refused =
  try do
    {:returned, :erpc.call(node, :lists, :reverse, [[1, 2]])}
  rescue
    error in ErlangError -> error.original
  end

{:exception, :undef, [{:lists, :reverse, [[1, 2]], []}]} = refused

# when the connection ends, so do its monitors
true = Node.disconnect(thermometer)
gone = Process.monitor({:echo, node})
true = Node.disconnect(node)
{:DOWN, ^gone, :process, _, :noconnection} = Citizen.next_message()
[] = Node.list([:visible, :hidden])

IO.puts("all is well")
