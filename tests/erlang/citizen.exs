# What an Elixir node does with an agent: elixir --sname NAME citizen.exs AGENT hidden|visible. A match that fails ends it with an error.
[node, kind] = Enum.map(System.argv(), &String.to_atom/1)

[] = Node.list([:visible, :hidden])
true = Node.connect(node)
{hidden, visible} = if kind == :hidden, do: {[node], []}, else: {[], [node]}
^hidden = Node.list(:hidden)
^visible = Node.list()

for term <- [:hello, nil, "text", ~c"charlist", 1.5, %{key: [1, {2}]}, 1..3, ~D[2024-02-29], make_ref(), self()] do
  ^term = GenServer.call({:echo, node}, term)
end

# a mailbox that is there is monitored, and nothing happens
there = Process.monitor({:echo, node})
missing = Process.monitor({:nosuch, node})
receive do: ({:DOWN, ^missing, :process, {:nosuch, ^node}, :noproc} -> :ok), after: (5000 -> raise("no :DOWN"))
send({:echo, node}, {self(), :behind_them})
receive do: ({:echo, :behind_them} -> :ok), after: (5000 -> raise("no echo"))
receive do: (other -> raise("unexpected: #{inspect(other)}")), after: (0 -> :ok)
true = Process.demonitor(there, [:flush])

exit =
  try do
    GenServer.call({:nosuch, node}, :hello)
  catch
    :exit, why -> why
  end

{:noproc, {GenServer, :call, _}} = exit

# A function that is not served there. The one place to say more exactly how it is refused.
refused =
  try do
    {:returned, :erpc.call(node, :lists, :reverse, [[1, 2]])}
  rescue
    error in ErlangError -> error.original
  end

case refused do
  {:erpc, :notsup} -> :ok
  {:exception, :undef, _where} -> :ok
end

# when the connection ends, so do its monitors
gone = Process.monitor({:echo, node})
true = Node.disconnect(node)
receive do: ({:DOWN, ^gone, :process, _, :noconnection} -> :ok), after: (5000 -> raise("no :DOWN"))
[] = Node.list([:visible, :hidden])

IO.puts("all is well")
