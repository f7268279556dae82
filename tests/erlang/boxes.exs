# A hub that tracks the members of a group, as the manual has it: elixir --name NAME -pa .. boxes.exs FILE BOX, with the manual's module in FILE.
# A match that fails ends it with an error.
defmodule Hub do
  def wait_for(want) do
    unless present() == want do
      Process.sleep(20)
      wait_for(want)
    end
  end

  defp present do
    for {key, _} <- Phoenix.Tracker.list(My.Tracker, "boxes"), do: key
  rescue
    # it is just being started
    ArgumentError -> nil
  catch
    :exit, {:noproc, _} -> nil
  end

  def wait_for_another(pg) do
    if Process.whereis(:pg) in [nil, pg] do
      Process.sleep(20)
      wait_for_another(pg)
    end
  end
end

[file, box] = System.argv()
[{My.Boxes, _}] = Code.compile_file(file)

children = [
  %{id: :pg, start: {:pg, :start_link, []}},
  %{id: :scope, start: {:pg, :start_link, [Phoenix.PubSub]}},
  {Phoenix.PubSub, name: My.PubSub},
  %{id: My.Tracker, start: {My.Tracker, :start_link, []}},
  My.Boxes
]

{:ok, _} = Supervisor.start_link(children, strategy: :rest_for_one)
[] = Phoenix.Tracker.list(My.Tracker, "boxes")
true = Node.connect(String.to_atom(box))
Hub.wait_for([box])
true = Node.disconnect(String.to_atom(box))
Hub.wait_for([])
true = Node.connect(String.to_atom(box))
Hub.wait_for([box])
# whoever is started anew begins anew; pg is not, before all that stand behind it have ended
pg = Process.whereis(:pg)
Process.exit(pg, :kill)
Hub.wait_for_another(pg)
Hub.wait_for([box])
IO.puts("all is well")
