# What an Elixir node asks of an agent's box: elixir --sname NAME box.exs AGENT. A match that fails ends it with an error.
[node] = Enum.map(System.argv(), &String.to_atom/1)

"[a b][c]" = :erpc.call(node, :box, :args, ["a b", ~c"c"])
"hello nil" = :erpc.call(node, Box, :hello, [nil])
{:uptime, 5} = :rpc.call(node, :box, :uptime, [])
[ok: "some", ok: "some"] = :erpc.multicall([node, node], :box, :fails, [0])

failed =
  try do
    :erpc.call(node, :box, :fails, [3])
  rescue
    e in ErlangError -> e.original
  end

{:exception, {:exit_status, 3, "some"}, []} = failed

info = GenServer.call({:system, node}, :info)
^node = info.node
%{"/" => %{total: total, available: available}} = info.disk
true = total > available
[one, five, fifteen] = info.load
true = Enum.all?([one, five, fifteen], &is_float/1)
%{recv_cnt: received} = info.links[Node.self()]
true = received > 0
{:error, {:unknown_request, hint}} = GenServer.call({:system, node}, {:get, "all"})
true = hint =~ "{info, Key}"

IO.puts("all is well")
