# A hub with a page of Phoenix that the manual has: elixir --name NAME -pa .. live_view.exs FILE, with the manual's module in FILE. LiveView is a stand-in.
# A match that fails ends it with an error.
Code.require_file("stand_ins/live_view.exs", __DIR__)

defmodule Hub do
  # what LiveView does with a page: it hands on what comes, and shows it
  def show(view, socket) do
    receive do
      message ->
        {:noreply, socket} = view.handle_info(message, socket)
        socket
    after
      60_000 -> raise "nothing was published"
    end
  end

  def wait_for(file, line) do
    unless match?({:ok, ^line}, File.read(file)) do
      Process.sleep(20)
      wait_for(file, line)
    end
  end
end

[file] = System.argv()
children = [
  %{id: :scope, start: {:pg, :start_link, [Phoenix.PubSub]}},
  {Phoenix.PubSub, name: My.PubSub}
]

{:ok, _} = Supervisor.start_link(children, strategy: :rest_for_one)
[{view, _}] = Code.compile_file(file)
{:ok, socket} = view.mount(%{}, %{}, %{connected: true, assigns: %{}})
socket = Hub.show(view, socket)
shown = view.render(socket.assigns)
true = shown =~ "edge1@127.0.0.1: 21.5 °C at 20"

# the box is in the group a moment after its reading
until = fn until ->
  if Enum.all?(:pg.get_members(Phoenix.PubSub, My.PubSub.Adapter), &(node(&1) == node())), do: (Process.sleep(20); until.(until))
end
until.(until)
{:noreply, _} = view.handle_event("say", %{"text" => "hello"}, socket)
Hub.wait_for("told", ~s({broadcast,<<"cmd">>,{say,<<"hello">>}}\n))
IO.puts("all is well")
