# Stands in for Phoenix.LiveView, with what the manual's pages take of it.
defmodule Phoenix.LiveView do
  defmacro __using__(_) do
    quote do
      import Phoenix.LiveView
    end
  end

  def connected?(socket), do: socket.connected
  def assign(socket, values), do: %{socket | assigns: Enum.into(values, socket.assigns)}

  # as a template: its assigns are a variable of its function
  defmacro sigil_H({:<<>>, _, [text]}, []) do
    quoted = EEx.compile_string(text, engine: EEx.SmartEngine)
    quote(do: (fn var!(assigns) -> unquote(quoted) end).(var!(assigns)))
  end
end
