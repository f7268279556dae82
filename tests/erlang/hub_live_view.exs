# A hub with what the manual's page on it shows: elixir --name NAME hub_live_view.exs MODULE CHILDREN VIEW BOX, files all but the last: the hub's module,
# and the page's list of children and its module of Phoenix, of which LiveView is a stand-in. A match that fails ends it with an error.
Code.require_file("stand_ins/live_view.exs", __DIR__)

defmodule Page do
  # what LiveView does with a page, until it shows this
  def show(view, socket, text) do
    unless view.render(socket.assigns) =~ text do
      receive do
        message ->
          {:noreply, socket} = view.handle_info(message, socket)
          show(view, socket, text)
      after
        60_000 -> raise "#{view.render(socket.assigns)} lacks #{text}"
      end
    end
  end
end

[module, children, view, box] = System.argv()
[{BeamlessHub, _}] = Code.compile_file(module)
{_, bindings} = Code.eval_string(File.read!(children))
{:ok, _} = Supervisor.start_link(bindings[:children], strategy: :one_for_one)
box = String.to_atom(box)
true = Map.has_key?(BeamlessHub.boxes(), box)

[{view, _}] = Code.compile_file(view)
{:ok, socket} = view.mount(%{}, %{}, %{connected: true, assigns: %{}})
Page.show(view, socket, "<h2>#{box} is up</h2>")
Page.show(view, socket, "<p>cpu: 21.5</p>")

# as Elixir calls it
{:ok, %{value: 21.5, number: _}} = BeamlessHub.last(box, "cpu")
[{^box, {:ok, "edge"}}] = BeamlessHub.call_all(:box, :name, [])
{:ok, %{node: ^box}} = BeamlessHub.info(box)
IO.puts("all is well")
