# What a hub does with one of the topologies of the manual: elixir --name NAME -pa .. libcluster.exs TOPOLOGIES WHICH BOX DNS. TOPOLOGIES is a file with the
# manual's lines, and DNS what it is to answer for a name. A match that fails ends it with an error.
defmodule Hub do
  # the least of a name server: it has one address for whatever it is asked
  def name_server(address, asker) do
    {:ok, socket} = :gen_udp.open(0, [:binary, ip: {127, 0, 0, 1}, active: true])
    {:ok, port} = :inet.port(socket)
    # else the file has the last word
    :ok = :inet_db.set_resolv_conf(~c"")
    :ok = :inet_db.add_ns({127, 0, 0, 1}, port)
    send(asker, :name_server)
    answer(socket, address)
  end

  defp answer(socket, address) do
    receive do
      {:udp, ^socket, ip, port, packet} ->
        {:ok, asked} = :inet_dns.decode(packet)
        [query] = :inet_dns.msg(asked, :qdlist)
        type = :inet_dns.dns_query(query, :type)
        answers = for :a <- [type], do: :inet_dns.make_rr(domain: :inet_dns.dns_query(query, :domain), type: :a, class: :in, ttl: 1, data: address)
        header = :inet_dns.make_header(:inet_dns.msg(asked, :header), qr: true)
        :ok = :gen_udp.send(socket, ip, port, :inet_dns.encode(:inet_dns.make_msg(asked, header: header, anlist: answers)))
    end

    answer(socket, address)
  end

  def wait_for_name_server do
    receive do
      :name_server -> :ok
    end
  end

  def wait_for(box) do
    unless box in Node.list(:hidden) do
      Process.sleep(20)
      wait_for(box)
    end
  end
end

[file, which, box, address] = System.argv()
{:ok, address} = :inet.parse_ipv4_address(String.to_charlist(address))
me = self()
spawn_link(fn -> Hub.name_server(address, me) end)
Hub.wait_for_name_server()
{topologies, _} = Code.eval_string(File.read!(file))
topology = Keyword.take(topologies, [String.to_atom(which)])
{:ok, _} = Supervisor.start_link([{Cluster.Supervisor, [topology, []]}], strategy: :one_for_one)
Hub.wait_for(String.to_atom(box))
[] = Node.list(:visible)
IO.puts("all is well")
